INSERT INTO message
    (id, conversation_id, account_id, parent_id, role, text_sealed, reasoning_sealed, model, status, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
