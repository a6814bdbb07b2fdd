INSERT INTO attachment (message_id, file_id, conversation_id, account_id, place) VALUES ($1, $2, $3, $4, $5)
