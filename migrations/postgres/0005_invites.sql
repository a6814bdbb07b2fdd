-- Why: invitations, by operators and within a budget by members; who invited whom stays known.

-- `inviter_id` is NULL for the command line. One that was used stays; one that expired unused is swept.
CREATE TABLE invite (
    id BIGINT NOT NULL PRIMARY KEY,
    inviter_id BIGINT REFERENCES account (id) ON DELETE CASCADE,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    used BIGINT,
    used_by BIGINT REFERENCES account (id) ON DELETE SET NULL
);
CREATE INDEX invite_inviter ON invite (inviter_id, created);
CREATE INDEX invite_used_by ON invite (used_by) WHERE used_by IS NOT NULL;
CREATE INDEX invite_expires ON invite (expires) WHERE used IS NULL;
