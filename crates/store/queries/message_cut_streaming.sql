UPDATE message SET status = 'cut' WHERE status = 'streaming'
