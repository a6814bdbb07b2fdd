-- Why: the first tables: accounts with their data keys, sessions, API keys, conversations as trees, usage, links, settings.

-- Sealed proof of which master key the store was made with, and other facts about the store itself.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- `changed` is 1 once a session may carry an older epoch, standing or role than the row.
CREATE TABLE account (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    standing INTEGER NOT NULL,
    role TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    email_sealed BLOB,
    email_hash BLOB,
    password_sealed BLOB,
    epoch INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    locale TEXT,
    good_days INTEGER NOT NULL,
    last_good_day INTEGER NOT NULL
) STRICT;
CREATE INDEX account_email ON account (email_hash) WHERE email_hash IS NOT NULL;
CREATE INDEX account_changed ON account (id) WHERE changed = 1;
CREATE INDEX account_operator ON account (id) WHERE role = 'operator';

-- One wrapped data key an account: the row's deletion is the deletion of everything sealed with it.
CREATE TABLE data_key (
    account_id INTEGER NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    wrapped BLOB NOT NULL
) STRICT;

-- Ids are never reused and their sessions never revive; `is_purged` is 1 when nothing of theirs is left.
CREATE TABLE deleted_account (
    id INTEGER NOT NULL PRIMARY KEY,
    deleted INTEGER NOT NULL,
    is_purged INTEGER NOT NULL
) STRICT;
CREATE INDEX deleted_account_unpurged ON deleted_account (id) WHERE is_purged = 0;

-- The cookie is not here; an ended row stays until `expires`.
CREATE TABLE session (
    id INTEGER NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    last_seen_day INTEGER NOT NULL,
    agent TEXT,
    ended INTEGER
) STRICT;
CREATE INDEX session_account ON session (account_id, created);
CREATE INDEX session_expires ON session (expires);
CREATE INDEX session_ended ON session (expires) WHERE ended IS NOT NULL;

-- `hash` is SHA-256 of the whole key.
CREATE TABLE api_key (
    id INTEGER NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    scope TEXT NOT NULL,
    models TEXT,
    budget_tokens INTEGER,
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER,
    last_used_day INTEGER NOT NULL
) STRICT;
CREATE INDEX api_key_account ON api_key (account_id, created);
CREATE INDEX api_key_usable ON api_key (last_used_day) WHERE revoked IS NULL;

-- No reference to account: what a deleted account wrote is unreadable at once and removed in batches.
CREATE TABLE conversation (
    id INTEGER NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL,
    title_sealed BLOB NOT NULL,
    model TEXT NOT NULL,
    current_leaf INTEGER,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX conversation_account ON conversation (account_id, updated_ms, id);

CREATE TABLE message (
    id INTEGER NOT NULL PRIMARY KEY,
    conversation_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    parent_id INTEGER,
    role TEXT NOT NULL,
    text_sealed BLOB NOT NULL,
    reasoning_sealed BLOB,
    model TEXT,
    status TEXT NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    reasoning_tokens INTEGER,
    cached_tokens INTEGER,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX message_conversation ON message (conversation_id);
CREATE INDEX message_streaming ON message (id) WHERE status = 'streaming';

-- `key_id` is 0 for the chat.
CREATE TABLE usage (
    account_id INTEGER NOT NULL,
    key_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    PRIMARY KEY (account_id, day, key_id, model)
) STRICT, WITHOUT ROWID;

-- `hash` is SHA-256 of the link's secret.
CREATE TABLE link (
    hash BLOB NOT NULL PRIMARY KEY,
    account_id INTEGER REFERENCES account (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX link_expires ON link (expires);
CREATE INDEX link_account ON link (account_id) WHERE account_id IS NOT NULL;

CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
