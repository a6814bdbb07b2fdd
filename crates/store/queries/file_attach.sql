UPDATE file SET conversation_id = $3 WHERE id = $2 AND account_id = $1 AND (conversation_id IS NULL OR conversation_id = $3)
