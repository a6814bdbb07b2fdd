SELECT day, CAST(SUM(requests) AS BIGINT), CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT),
    CAST(SUM(cached_tokens) AS BIGINT), CAST(SUM(reasoning_tokens) AS BIGINT)
FROM usage WHERE account_id = $1 AND day >= $2 AND day <= $3 GROUP BY day ORDER BY day
