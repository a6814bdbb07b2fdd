INSERT INTO link (hash, account_id, purpose, expires) VALUES ($1, $2, $3, $4)
