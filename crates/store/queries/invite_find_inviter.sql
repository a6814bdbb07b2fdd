SELECT inviter_id FROM invite WHERE used_by = $1
