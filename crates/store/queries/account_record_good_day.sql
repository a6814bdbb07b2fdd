UPDATE account SET good_days = good_days + 1, last_good_day = $2
WHERE id = $1 AND last_good_day < $2 RETURNING good_days, standing, created_ms
