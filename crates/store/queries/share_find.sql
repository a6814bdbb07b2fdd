SELECT id, sealed, created_ms FROM share WHERE hash = $1
