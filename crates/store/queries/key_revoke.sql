UPDATE api_key SET revoked = $3 WHERE id = $2 AND account_id = $1 AND revoked IS NULL
