SELECT COUNT(*), CAST(COALESCE(SUM(LENGTH(name_sealed) + LENGTH(text_sealed)), 0) AS BIGINT)
FROM file WHERE conversation_id = $2 AND account_id = $1
