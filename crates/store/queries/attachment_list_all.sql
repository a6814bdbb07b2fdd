SELECT f.id, f.kind, f.bytes, f.chars, f.name_sealed, a.message_id
FROM attachment a JOIN file f ON f.id = a.file_id WHERE a.conversation_id = $2 AND a.account_id = $1 ORDER BY a.message_id, a.place
