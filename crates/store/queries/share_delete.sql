DELETE FROM share WHERE conversation_id = $2 AND account_id = $1 RETURNING CAST(LENGTH(sealed) AS BIGINT)
