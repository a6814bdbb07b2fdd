INSERT INTO api_key
    (id, account_id, name, hash, scope, models, budget_tokens, created, expires, requests_per_minute, in_flight, revoked, last_used_day)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL, 0)
