SELECT COUNT(*) FROM message WHERE conversation_id = $1 AND parent_id = $2
