UPDATE conversation SET system_sealed = $3 WHERE id = $2 AND account_id = $1
