DELETE FROM conversation WHERE id = $2 AND account_id = $1 RETURNING bytes
