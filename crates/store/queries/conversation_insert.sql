INSERT INTO conversation (id, account_id, title_sealed, model, current_leaf, created_ms, updated_ms, system_sealed, temperature)
SELECT CAST($1 AS BIGINT), a.id, $3, CAST($4 AS TEXT), NULL, CAST($5 AS BIGINT), CAST($5 AS BIGINT), $6, CAST($7 AS BIGINT) FROM account a WHERE a.id = $2
