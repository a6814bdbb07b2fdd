DELETE FROM attachment WHERE conversation_id = $2 AND account_id = $1
