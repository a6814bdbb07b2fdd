-- Why: a standing that was earned after an incident began must not count in it, also after a restart.

-- Unix seconds of the last rise by the rules; 0 is long ago, or by an operator's hand.
ALTER TABLE account ADD COLUMN standing_earned INTEGER NOT NULL DEFAULT 0;
-- The standing before that rise.
ALTER TABLE account ADD COLUMN standing_before INTEGER NOT NULL DEFAULT 0;
