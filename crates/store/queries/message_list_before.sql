WITH RECURSIVE branch (id, parent_id, depth) AS (
    SELECT s.id, s.parent_id, CAST(0 AS BIGINT) FROM message a JOIN message s ON s.id = a.parent_id
    WHERE a.id = $4 AND a.conversation_id = $2 AND a.account_id = $1
    UNION ALL
    SELECT p.id, p.parent_id, b.depth + 1 FROM message p JOIN branch b ON p.id = b.parent_id WHERE b.depth + 1 < $3
)
SELECT m.id, m.conversation_id, m.parent_id, m.role, m.text_sealed, m.reasoning_sealed, m.model, m.status, m.input_tokens, m.output_tokens, m.reasoning_tokens, m.cached_tokens, m.created_ms
FROM branch b JOIN message m ON m.id = b.id ORDER BY b.depth DESC
