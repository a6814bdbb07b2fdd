UPDATE device SET ended = $2 WHERE account_id = $1 AND ended IS NULL
