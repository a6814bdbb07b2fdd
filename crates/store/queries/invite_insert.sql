INSERT INTO invite (id, inviter_id, created, expires, used, used_by) VALUES ($1, $2, $3, $4, NULL, NULL)
