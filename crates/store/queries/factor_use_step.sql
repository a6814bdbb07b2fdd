UPDATE factor SET last_step = $3, last_used_day = $4 WHERE id = $1 AND account_id = $2 AND last_step < $3
