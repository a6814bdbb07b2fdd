SELECT id, conversation_id, parent_id, role, text_sealed, reasoning_sealed, model, status, input_tokens, output_tokens, reasoning_tokens, cached_tokens, created_ms
FROM message WHERE conversation_id = $2 AND account_id = $1 AND (created_ms, id) > ($3, $4) ORDER BY created_ms, id LIMIT $5
