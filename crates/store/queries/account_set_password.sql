UPDATE account SET password_sealed = $2 WHERE id = $1
