DELETE FROM holding WHERE account_id = $1
