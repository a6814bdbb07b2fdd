UPDATE conversation SET model = $3 WHERE id = $2 AND account_id = $1
