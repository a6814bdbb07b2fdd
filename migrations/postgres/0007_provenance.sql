-- Why: newcomers who were invited by the same member, or whose mail goes to the same small domain, weigh as one. Two hashes of 32 bits.

ALTER TABLE account ADD COLUMN provenance BIGINT NOT NULL DEFAULT 0;
