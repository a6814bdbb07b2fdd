UPDATE session SET last_seen_day = $2 WHERE id = $1 AND last_seen_day < $2
