DELETE FROM file WHERE id = $2 AND account_id = $1 RETURNING CAST(LENGTH(name_sealed) + LENGTH(text_sealed) AS BIGINT)
