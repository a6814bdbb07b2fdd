UPDATE account SET epoch = epoch + 1, changed = 1 WHERE id = $1 RETURNING epoch
