INSERT INTO meta (name, value) VALUES ('probe', $1)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
