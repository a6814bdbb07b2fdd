UPDATE account SET email_confirmed = 1 WHERE id = $1
