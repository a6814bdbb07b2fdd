SELECT COUNT(*) FROM invite WHERE inviter_id = $1 AND created > $2
