DELETE FROM link WHERE hash IN (SELECT hash FROM link WHERE expires <= $1 LIMIT $2)
