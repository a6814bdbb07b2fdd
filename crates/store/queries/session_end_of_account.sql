UPDATE session SET ended = $2 WHERE account_id = $1 AND ended IS NULL RETURNING id, expires
