SELECT COUNT(*) FROM factor WHERE account_id = $1
