DELETE FROM link WHERE hash = $1 AND purpose = $2 RETURNING account_id, purpose, expires, data_sealed
