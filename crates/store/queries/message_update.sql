UPDATE message SET text_sealed = $3, reasoning_sealed = $4, status = $5,
    input_tokens = $6, output_tokens = $7, reasoning_tokens = $8, cached_tokens = $9
WHERE id = $2 AND account_id = $1
