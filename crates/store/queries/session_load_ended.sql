SELECT id, expires, account_id FROM session WHERE ended IS NOT NULL AND expires > $1
