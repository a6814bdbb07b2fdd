UPDATE account SET theme = $2 WHERE id = $1
