INSERT INTO device (id, account_id, created, expires, last_seen_day, agent, ended) VALUES ($1, $2, $3, $4, $5, $6, NULL)
ON CONFLICT (id) DO UPDATE SET expires = excluded.expires, last_seen_day = excluded.last_seen_day, agent = excluded.agent
