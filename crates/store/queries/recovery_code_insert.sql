INSERT INTO recovery_code (hash, account_id) VALUES ($1, $2)
