DELETE FROM usage WHERE account_id = $1
