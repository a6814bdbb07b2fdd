-- Why: invitations, by operators and within a budget by members; who invited whom stays known.

-- `inviter_id` is NULL for the command line. One that was used stays; one that expired unused is swept.
CREATE TABLE invite (
    id INTEGER NOT NULL PRIMARY KEY,
    inviter_id INTEGER REFERENCES account (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    used INTEGER,
    used_by INTEGER REFERENCES account (id) ON DELETE SET NULL
) STRICT;
CREATE INDEX invite_inviter ON invite (inviter_id, created);
CREATE INDEX invite_used_by ON invite (used_by) WHERE used_by IS NOT NULL;
CREATE INDEX invite_expires ON invite (expires) WHERE used IS NULL;
