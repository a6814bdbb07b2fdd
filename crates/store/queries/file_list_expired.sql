SELECT id, account_id FROM file WHERE conversation_id IS NULL AND created_ms < $1 LIMIT $2
