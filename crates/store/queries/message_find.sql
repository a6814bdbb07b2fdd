SELECT id, conversation_id, parent_id, role, text_sealed, reasoning_sealed, model, status, input_tokens, output_tokens, reasoning_tokens, cached_tokens, created_ms
FROM message WHERE id = $2 AND account_id = $1
