SELECT key_id, CAST(COALESCE(SUM(input_tokens + output_tokens), 0) AS BIGINT)
FROM usage WHERE account_id = $1 AND day = $2 AND key_id <> 0 GROUP BY key_id
