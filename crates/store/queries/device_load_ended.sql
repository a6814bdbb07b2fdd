SELECT id, expires, account_id FROM device WHERE ended IS NOT NULL AND expires > $1
