SELECT id, expires, account FROM session WHERE ended IS NOT NULL AND expires > $1
