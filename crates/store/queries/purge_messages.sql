DELETE FROM message WHERE id IN (SELECT id FROM message WHERE account_id = $1 LIMIT $2)
