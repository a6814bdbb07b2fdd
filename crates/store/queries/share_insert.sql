INSERT INTO share (id, hash, account_id, conversation_id, sealed, created_ms)
SELECT CAST($1 AS BIGINT), $2, c.account_id, c.id, $5, CAST($6 AS BIGINT) FROM conversation c WHERE c.id = $4 AND c.account_id = $3
