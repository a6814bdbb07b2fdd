SELECT id, name, standing, role, created_ms, email_sealed, password_sealed, epoch, locale, good_days, last_good_day, email_confirmed, provenance
FROM account WHERE email_hash = $1 ORDER BY email_confirmed DESC, created_ms, id LIMIT 1
