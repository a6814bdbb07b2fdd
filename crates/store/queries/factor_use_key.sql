UPDATE factor SET data_sealed = $3, last_used_day = $4 WHERE id = $1 AND account_id = $2
