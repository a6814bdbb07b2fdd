DELETE FROM file WHERE id IN (SELECT id FROM file WHERE account_id = $1 LIMIT $2)
