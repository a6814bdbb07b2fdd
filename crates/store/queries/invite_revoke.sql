DELETE FROM invite WHERE id = $1 AND inviter_id = $2 AND used IS NULL
