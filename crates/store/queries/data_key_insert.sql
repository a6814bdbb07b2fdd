INSERT INTO data_key (account_id, wrapped)
VALUES ($1, $2)
