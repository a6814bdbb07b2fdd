DELETE FROM attachment WHERE file_id = $2 AND account_id = $1
