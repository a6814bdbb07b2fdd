UPDATE account SET email_sealed = $2, email_hash = $3 WHERE id = $1
