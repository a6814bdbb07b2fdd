SELECT u.account_id, u.key_id, CAST(SUM(u.requests) AS BIGINT), CAST(SUM(u.input_tokens + u.output_tokens) AS BIGINT) AS spent
FROM account a CROSS JOIN usage u
WHERE u.account_id = a.id AND u.day = $1 GROUP BY u.account_id, u.key_id ORDER BY spent DESC LIMIT $2
