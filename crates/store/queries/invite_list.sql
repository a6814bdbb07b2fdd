SELECT invite.id, invite.created, invite.expires, invite.used, account.name
FROM invite LEFT JOIN account ON account.id = invite.used_by
WHERE invite.inviter_id = $1 ORDER BY invite.created DESC, invite.id LIMIT $2
