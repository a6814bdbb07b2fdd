DELETE FROM message WHERE id IN (
    SELECT m.id FROM message m JOIN conversation c ON c.id = m.conversation_id WHERE c.account_id = $1 LIMIT $2
)
