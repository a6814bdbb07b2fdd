DELETE FROM recovery_code WHERE hash = $1 AND account_id = $2
