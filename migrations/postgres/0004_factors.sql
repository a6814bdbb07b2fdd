-- Why: browsers that signed in before, second factors with their recovery codes, confirmed mail addresses, links that carry an address.

-- The ticket is not here; an ended row stays until `expires`.
CREATE TABLE device (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    last_seen_day BIGINT NOT NULL,
    agent TEXT,
    ended BIGINT
);
CREATE INDEX device_account ON device (account_id, created);
CREATE INDEX device_expires ON device (expires);
CREATE INDEX device_ended ON device (expires) WHERE ended IS NOT NULL;

-- `data_sealed` is a secret (totp) or a public key with its counter (passkey); `last_step` is the last time step whose code was used.
CREATE TABLE factor (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    data_sealed BYTEA NOT NULL,
    last_step BIGINT NOT NULL,
    created BIGINT NOT NULL,
    last_used_day BIGINT NOT NULL
);
CREATE INDEX factor_account ON factor (account_id, created);

-- `hash` is SHA-256 of account and code; each is deleted when it is used.
CREATE TABLE recovery_code (
    hash BYTEA NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE
);
CREATE INDEX recovery_code_account ON recovery_code (account_id);

-- 1 once somebody opened a link that was mailed to the address.
ALTER TABLE account ADD COLUMN email_confirmed BIGINT NOT NULL DEFAULT 0;

-- The address that a link confirms.
ALTER TABLE link ADD COLUMN data_sealed BYTEA;
