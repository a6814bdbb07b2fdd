UPDATE conversation SET current_leaf = $3, updated_ms = $4, messages = messages + $5, bytes = bytes + $6
WHERE id = $2 AND account_id = $1
RETURNING messages
