WITH RECURSIVE branch (id, parent_id) AS (
    SELECT m.id, m.parent_id FROM message m WHERE m.id = $3 AND m.conversation_id = $2 AND m.account_id = $1
    UNION ALL
    SELECT p.id, p.parent_id FROM message p JOIN branch b ON p.id = b.parent_id
)
SELECT COUNT(*) FROM branch
