UPDATE api_key SET last_used_day = $2 WHERE id = $1 AND last_used_day < $2
