UPDATE invite SET used = $3, used_by = $2 WHERE id = $1 AND used IS NULL AND expires > $3
