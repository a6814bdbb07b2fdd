SELECT id, conversation_id, text_sealed, created_ms
FROM message WHERE account_id = $1 AND (created_ms, id) < ($2, $3) ORDER BY created_ms DESC, id DESC LIMIT $4
