DELETE FROM conversation WHERE id IN (SELECT id FROM conversation WHERE account_id = $1 LIMIT $2)
