DELETE FROM device WHERE id IN (SELECT id FROM device WHERE account_id = $1 ORDER BY last_seen_day DESC, created DESC, id LIMIT 1000 OFFSET $2)
