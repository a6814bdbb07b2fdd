SELECT u.key_id, CAST(SUM(u.input_tokens + u.output_tokens) AS BIGINT) AS spent
FROM api_key k CROSS JOIN usage u
WHERE k.budget_tokens IS NOT NULL AND k.revoked IS NULL AND u.account_id = k.account_id AND u.key_id = k.id AND u.day >= $1
GROUP BY u.key_id ORDER BY spent DESC LIMIT $2
