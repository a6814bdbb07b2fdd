SELECT id, epoch, standing, role, created_ms FROM account WHERE changed = 1
