-- Why: a key has bounds of its own on requests and on answers at once, not only on tokens.

ALTER TABLE api_key ADD COLUMN requests_per_minute INTEGER;
ALTER TABLE api_key ADD COLUMN in_flight INTEGER;
