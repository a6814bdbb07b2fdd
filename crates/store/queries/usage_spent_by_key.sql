SELECT CAST(COALESCE(SUM(input_tokens + output_tokens), 0) AS BIGINT) FROM usage WHERE account_id = $1 AND key_id = $2 AND day >= $3
