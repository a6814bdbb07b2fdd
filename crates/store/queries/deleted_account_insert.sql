INSERT INTO deleted_account (id, deleted, is_purged) VALUES ($1, $2, 0)
