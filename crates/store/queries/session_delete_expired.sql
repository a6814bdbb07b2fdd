DELETE FROM session WHERE id IN (SELECT id FROM session WHERE expires <= $1 LIMIT $2)
