INSERT INTO factor (id, account_id, kind, name, data_sealed, last_step, created, last_used_day) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
