UPDATE conversation SET current_leaf = $3
WHERE id = $2 AND account_id = $1 AND EXISTS (SELECT 1 FROM message m WHERE m.id = $3 AND m.conversation_id = conversation.id)
