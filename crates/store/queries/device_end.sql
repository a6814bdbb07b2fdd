UPDATE device SET ended = $3 WHERE id = $1 AND account_id = $2 AND ended IS NULL RETURNING expires
