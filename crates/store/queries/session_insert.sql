INSERT INTO session (id, account_id, created, expires, last_seen_day, agent, ended) VALUES ($1, $2, $3, $4, $5, $6, NULL)
