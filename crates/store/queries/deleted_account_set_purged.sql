UPDATE deleted_account SET is_purged = 1 WHERE id = $1
