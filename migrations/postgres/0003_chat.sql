-- Why: the chat app: pins, instructions, attached files, shared links, and what an account holds, so that it is bounded.

ALTER TABLE account ADD COLUMN theme TEXT;
ALTER TABLE account ADD COLUMN time_zone TEXT;

-- `temperature` is in thousandths; `messages` and `bytes` count what the conversation holds.
ALTER TABLE conversation ADD COLUMN pinned BIGINT NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN system_sealed BYTEA;
ALTER TABLE conversation ADD COLUMN temperature BIGINT;
ALTER TABLE conversation ADD COLUMN messages BIGINT NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
CREATE INDEX conversation_pinned ON conversation (account_id, updated_ms, id) WHERE pinned = 1;

-- Branches by parent, reading a conversation through, and searching an account from the newest message on.
DROP INDEX message_conversation;
CREATE INDEX message_parent ON message (conversation_id, parent_id);
CREATE INDEX message_conversation ON message (conversation_id, created_ms, id);
CREATE INDEX message_account ON message (account_id, created_ms, id);

-- The text that was read out of a file; the file itself is not kept. `conversation_id` is NULL until it is attached.
CREATE TABLE file (
    id BIGINT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    conversation_id BIGINT,
    kind TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    chars BIGINT NOT NULL,
    name_sealed BYTEA NOT NULL,
    text_sealed BYTEA NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX file_account ON file (account_id);
CREATE INDEX file_conversation ON file (conversation_id) WHERE conversation_id IS NOT NULL;
CREATE INDEX file_unattached ON file (created_ms) WHERE conversation_id IS NULL;

CREATE TABLE attachment (
    message_id BIGINT NOT NULL,
    file_id BIGINT NOT NULL,
    conversation_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    place BIGINT NOT NULL,
    PRIMARY KEY (message_id, file_id)
);
CREATE INDEX attachment_conversation ON attachment (conversation_id);
CREATE INDEX attachment_file ON attachment (file_id);
CREATE INDEX attachment_account ON attachment (account_id);

-- A read-only snapshot; the key that opens it is in its link and nowhere here. `hash` finds it, and is of the link's secret too.
CREATE TABLE share (
    id BIGINT NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    account_id BIGINT NOT NULL,
    conversation_id BIGINT NOT NULL UNIQUE,
    sealed BYTEA NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX share_account ON share (account_id);

-- What an account holds, so that a limit can be kept without counting.
CREATE TABLE holding (
    account_id BIGINT NOT NULL PRIMARY KEY,
    conversations BIGINT NOT NULL,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);

UPDATE conversation SET
    messages = (SELECT COUNT(*) FROM message m WHERE m.conversation_id = conversation.id),
    bytes = (SELECT CAST(COALESCE(SUM(LENGTH(m.text_sealed) + COALESCE(LENGTH(m.reasoning_sealed), 0)), 0) AS BIGINT)
             FROM message m WHERE m.conversation_id = conversation.id);
INSERT INTO holding (account_id, conversations, files, bytes)
SELECT account_id, COUNT(*), 0, CAST(SUM(bytes) AS BIGINT) FROM conversation GROUP BY account_id;
