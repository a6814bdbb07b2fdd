UPDATE message SET status = 'streaming' WHERE id = $2 AND account_id = $1 AND status <> 'streaming' AND status <> 'complete'
