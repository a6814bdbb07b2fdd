-- Why: the first tables: accounts with their data keys, sessions, API keys, conversations as trees, usage, links, settings.

-- Sealed proof of which master key the store was made with, and other facts about the store itself.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);

-- `changed` is 1 once a session may carry an older epoch, standing or role than the row.
CREATE TABLE account (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL CONSTRAINT account_name_key UNIQUE,
    standing BIGINT NOT NULL,
    role TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    email_sealed BYTEA,
    email_hash BYTEA,
    password_sealed BYTEA,
    epoch BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    locale TEXT,
    good_days BIGINT NOT NULL,
    last_good_day BIGINT NOT NULL
);
CREATE INDEX account_email ON account (email_hash) WHERE email_hash IS NOT NULL;
CREATE INDEX account_changed ON account (id) WHERE changed = 1;
CREATE INDEX account_operator ON account (id) WHERE role = 'operator';

-- One wrapped data key an account: the row's deletion is the deletion of everything sealed with it.
CREATE TABLE data_key (
    account_id BIGINT NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    wrapped BYTEA NOT NULL
);

-- Ids are never reused and their sessions never revive; `is_purged` is 1 when nothing of theirs is left.
CREATE TABLE deleted_account (
    id BIGINT NOT NULL PRIMARY KEY,
    deleted BIGINT NOT NULL,
    is_purged BIGINT NOT NULL
);
CREATE INDEX deleted_account_unpurged ON deleted_account (id) WHERE is_purged = 0;

-- The cookie is not here; an ended row stays until `expires`.
CREATE TABLE session (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    last_seen_day BIGINT NOT NULL,
    agent TEXT,
    ended BIGINT
);
CREATE INDEX session_account ON session (account_id, created);
CREATE INDEX session_expires ON session (expires);
CREATE INDEX session_ended ON session (expires) WHERE ended IS NOT NULL;

-- `hash` is SHA-256 of the whole key.
CREATE TABLE api_key (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash BYTEA NOT NULL,
    scope TEXT NOT NULL,
    models TEXT,
    budget_tokens BIGINT,
    created BIGINT NOT NULL,
    expires BIGINT,
    revoked BIGINT,
    last_used_day BIGINT NOT NULL
);
CREATE INDEX api_key_account ON api_key (account_id, created);
CREATE INDEX api_key_usable ON api_key (last_used_day) WHERE revoked IS NULL;

-- No reference to account: what a deleted account wrote is unreadable at once and removed in batches.
CREATE TABLE conversation (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    title_sealed BYTEA NOT NULL,
    model TEXT NOT NULL,
    current_leaf BIGINT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX conversation_account ON conversation (account_id, updated_ms, id);

CREATE TABLE message (
    id BIGINT NOT NULL PRIMARY KEY,
    conversation_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    parent_id BIGINT,
    role TEXT NOT NULL,
    text_sealed BYTEA NOT NULL,
    reasoning_sealed BYTEA,
    model TEXT,
    status TEXT NOT NULL,
    input_tokens BIGINT,
    output_tokens BIGINT,
    reasoning_tokens BIGINT,
    cached_tokens BIGINT,
    created_ms BIGINT NOT NULL
);
CREATE INDEX message_conversation ON message (conversation_id);
CREATE INDEX message_streaming ON message (id) WHERE status = 'streaming';

-- `key_id` is 0 for the chat.
CREATE TABLE usage (
    account_id BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    day BIGINT NOT NULL,
    model TEXT NOT NULL,
    requests BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    PRIMARY KEY (account_id, day, key_id, model)
);

-- `hash` is SHA-256 of the link's secret.
CREATE TABLE link (
    hash BYTEA NOT NULL PRIMARY KEY,
    account_id BIGINT REFERENCES account (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX link_expires ON link (expires);
CREATE INDEX link_account ON link (account_id) WHERE account_id IS NOT NULL;

CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
