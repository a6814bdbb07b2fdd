DELETE FROM share WHERE id IN (SELECT id FROM share WHERE account_id = $1 LIMIT $2)
