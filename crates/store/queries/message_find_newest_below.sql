WITH RECURSIVE down (id, depth) AS (
    SELECT m.id, CAST(0 AS BIGINT) FROM message m WHERE m.id = $3 AND m.conversation_id = $2 AND m.account_id = $1
    UNION ALL
    SELECT (SELECT c.id FROM message c WHERE c.conversation_id = $2 AND c.parent_id = d.id ORDER BY c.created_ms DESC, c.id DESC LIMIT 1), d.depth + 1
    FROM down d WHERE d.id IS NOT NULL
)
SELECT id FROM down WHERE id IS NOT NULL ORDER BY depth DESC LIMIT 1
