SELECT id, name, standing, role, created_ms, email_sealed, password_sealed, epoch, locale, good_days, last_good_day, email_confirmed, provenance
FROM account WHERE name = $1
