DELETE FROM link WHERE purpose = $1
