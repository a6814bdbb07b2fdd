SELECT id FROM message WHERE conversation_id = $2 AND account_id = $1 AND parent_id IS NULL ORDER BY created_ms, id LIMIT $3
