INSERT INTO account
    (id, name, standing, role, created_ms, email_sealed, email_hash, password_sealed, locale, epoch, changed, good_days, last_good_day, provenance)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, 0, $10)
ON CONFLICT DO NOTHING
RETURNING id
