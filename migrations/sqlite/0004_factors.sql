-- Why: browsers that signed in before, second factors with their recovery codes, confirmed mail addresses, links that carry an address.

-- The ticket is not here; an ended row stays until `expires`.
CREATE TABLE device (
    id INTEGER NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    last_seen_day INTEGER NOT NULL,
    agent TEXT,
    ended INTEGER
) STRICT;
CREATE INDEX device_account ON device (account_id, created);
CREATE INDEX device_expires ON device (expires);
CREATE INDEX device_ended ON device (expires) WHERE ended IS NOT NULL;

-- `data_sealed` is a secret (totp) or a public key with its counter (passkey); `last_step` is the last time step whose code was used.
CREATE TABLE factor (
    id INTEGER NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    data_sealed BLOB NOT NULL,
    last_step INTEGER NOT NULL,
    created INTEGER NOT NULL,
    last_used_day INTEGER NOT NULL
) STRICT;
CREATE INDEX factor_account ON factor (account_id, created);

-- `hash` is SHA-256 of account and code; each is deleted when it is used.
CREATE TABLE recovery_code (
    hash BLOB NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX recovery_code_account ON recovery_code (account_id);

-- 1 once somebody opened a link that was mailed to the address.
ALTER TABLE account ADD COLUMN email_confirmed INTEGER NOT NULL DEFAULT 0;

-- The address that a link confirms.
ALTER TABLE link ADD COLUMN data_sealed BLOB;
