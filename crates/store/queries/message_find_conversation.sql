SELECT conversation_id FROM message WHERE id = $2 AND account_id = $1
