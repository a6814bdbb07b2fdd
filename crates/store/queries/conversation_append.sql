UPDATE conversation SET current_leaf = $3, updated_ms = $4 WHERE id = $2 AND account_id = $1
