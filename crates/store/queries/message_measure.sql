SELECT conversation_id, CAST(LENGTH(text_sealed) + COALESCE(LENGTH(reasoning_sealed), 0) AS BIGINT), status, input_tokens, output_tokens, reasoning_tokens, cached_tokens
FROM message WHERE id = $2 AND account_id = $1
