DELETE FROM invite WHERE id IN (SELECT id FROM invite WHERE expires <= $1 AND used IS NULL LIMIT $2)
