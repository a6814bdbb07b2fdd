UPDATE account SET standing = $2, standing_before = $3, standing_earned = $4, changed = 1
WHERE id = $1 AND standing = $3
