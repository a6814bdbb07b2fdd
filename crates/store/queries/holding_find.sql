SELECT conversations, files, bytes FROM holding WHERE account_id = $1
