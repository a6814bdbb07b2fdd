UPDATE account SET standing = $2, changed = 1 WHERE id = $1
