SELECT id, title_sealed, model, current_leaf, created_ms, updated_ms
FROM conversation WHERE id = $2 AND account_id = $1
