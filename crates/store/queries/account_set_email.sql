UPDATE account SET email_sealed = $2, email_hash = $3, email_confirmed = $4 WHERE id = $1
