INSERT INTO link (hash, account_id, purpose, expires, data_sealed) VALUES ($1, $2, $3, $4, $5)
