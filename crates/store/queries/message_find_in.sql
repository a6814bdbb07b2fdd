SELECT id FROM message WHERE id = $1 AND conversation_id = $2
