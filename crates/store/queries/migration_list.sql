SELECT version FROM migration ORDER BY version
