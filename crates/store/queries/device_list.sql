SELECT id, account_id, created, expires, last_seen_day, agent
FROM device WHERE account_id = $1 AND ended IS NULL AND expires > $2 ORDER BY last_seen_day DESC, created DESC, id LIMIT $3
