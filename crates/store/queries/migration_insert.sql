INSERT INTO migration (version, name, applied) VALUES ($1, $2, $3)
