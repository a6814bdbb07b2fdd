SELECT id FROM account WHERE role = 'operator' LIMIT 1
