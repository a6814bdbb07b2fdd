SELECT k.id, k.account_id, k.name, k.hash, k.scope, k.models, k.budget_tokens, k.created, k.expires, k.revoked, k.last_used_day,
    a.standing, a.role, a.created_ms, a.epoch, k.requests_per_minute, k.in_flight, a.provenance
FROM api_key k JOIN account a ON a.id = k.account_id
WHERE k.revoked IS NULL ORDER BY k.last_used_day DESC LIMIT $1
