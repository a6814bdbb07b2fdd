UPDATE account SET standing = $2, standing_before = $2, standing_earned = 0, changed = 1 WHERE id = $1
