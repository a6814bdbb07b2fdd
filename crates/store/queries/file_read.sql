SELECT id, kind, bytes, chars, name_sealed, text_sealed FROM file WHERE id = $2 AND account_id = $1
