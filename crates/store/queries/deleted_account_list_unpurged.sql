SELECT id FROM deleted_account WHERE is_purged = 0 LIMIT $1
