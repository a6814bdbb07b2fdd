SELECT id, title_sealed, model, current_leaf, created_ms, updated_ms
FROM conversation WHERE account_id = $1 ORDER BY updated_ms DESC, id DESC LIMIT $2
