SELECT id, title_sealed, model, current_leaf, created_ms, updated_ms, pinned, system_sealed, temperature, CAST((SELECT COUNT(*) FROM share s WHERE s.conversation_id = conversation.id) AS BIGINT)
FROM conversation WHERE account_id = $1 ORDER BY updated_ms DESC, id DESC LIMIT $2
