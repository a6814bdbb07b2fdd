WITH RECURSIVE branch (id, parent_id, depth) AS (
    SELECT m.id, m.parent_id, CAST(0 AS BIGINT) FROM message m WHERE m.id = $3 AND m.conversation_id = $2 AND m.account_id = $1
    UNION ALL
    SELECT p.id, p.parent_id, b.depth + 1 FROM message p JOIN branch b ON p.id = b.parent_id WHERE b.depth + 1 < $4
)
SELECT f.id, f.kind, f.bytes, f.chars, f.name_sealed, b.id
FROM branch b JOIN attachment a ON a.message_id = b.id JOIN file f ON f.id = a.file_id ORDER BY b.depth, a.place
