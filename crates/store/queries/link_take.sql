DELETE FROM link WHERE hash = $1 RETURNING account_id, purpose, expires
