INSERT INTO holding (account_id, conversations, files, bytes) VALUES ($1, $2, $3, $4)
ON CONFLICT (account_id) DO UPDATE SET conversations = holding.conversations + excluded.conversations,
    files = holding.files + excluded.files, bytes = holding.bytes + excluded.bytes
RETURNING conversations, files, bytes
