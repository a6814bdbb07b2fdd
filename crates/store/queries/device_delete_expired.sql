DELETE FROM device WHERE id IN (SELECT id FROM device WHERE expires <= $1 LIMIT $2)
