WITH RECURSIVE branch (id, parent_id, depth) AS (
    SELECT m.id, m.parent_id, CAST(0 AS BIGINT) FROM message m WHERE m.id = $3 AND m.conversation_id = $2 AND m.account_id = $1
    UNION ALL
    SELECT p.id, p.parent_id, b.depth + 1 FROM message p JOIN branch b ON p.id = b.parent_id WHERE b.depth + 1 < $4
)
SELECT b.id, s.id FROM branch b JOIN message s ON s.conversation_id = $2 AND s.parent_id = b.parent_id ORDER BY b.depth, s.created_ms, s.id
