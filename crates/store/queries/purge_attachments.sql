DELETE FROM attachment WHERE account_id = $1
