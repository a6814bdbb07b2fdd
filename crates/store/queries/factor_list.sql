SELECT id, account_id, kind, name, data_sealed, last_step, created, last_used_day
FROM factor WHERE account_id = $1 ORDER BY created, id LIMIT $2
