DELETE FROM link WHERE account_id = $1 AND purpose = $2
