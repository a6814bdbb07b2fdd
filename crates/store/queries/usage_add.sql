INSERT INTO usage (account_id, key_id, day, model, requests, input_tokens, output_tokens, cached_tokens, reasoning_tokens)
SELECT a.id, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS BIGINT),
    CAST($6 AS BIGINT), CAST($7 AS BIGINT), CAST($8 AS BIGINT), CAST($9 AS BIGINT)
FROM account a WHERE a.id = $1
ON CONFLICT (account_id, day, key_id, model) DO UPDATE SET
    requests = usage.requests + excluded.requests,
    input_tokens = usage.input_tokens + excluded.input_tokens,
    output_tokens = usage.output_tokens + excluded.output_tokens,
    cached_tokens = usage.cached_tokens + excluded.cached_tokens,
    reasoning_tokens = usage.reasoning_tokens + excluded.reasoning_tokens
