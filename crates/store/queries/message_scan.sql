SELECT id, conversation_id, text_sealed, created_ms
FROM message WHERE account_id = $1 ORDER BY created_ms DESC, id DESC LIMIT $2
