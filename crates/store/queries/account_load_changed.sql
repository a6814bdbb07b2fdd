SELECT id, epoch, standing, role, created_ms, standing_earned, standing_before FROM account WHERE changed = 1
