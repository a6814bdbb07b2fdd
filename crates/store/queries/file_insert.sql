INSERT INTO file (id, account_id, conversation_id, kind, bytes, chars, name_sealed, text_sealed, created_ms)
SELECT CAST($1 AS BIGINT), a.id, NULL, CAST($3 AS TEXT), CAST($4 AS BIGINT), CAST($5 AS BIGINT), $6, $7, CAST($8 AS BIGINT) FROM account a WHERE a.id = $2
