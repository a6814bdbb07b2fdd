UPDATE account SET role = $2, changed = 1 WHERE id = $1
