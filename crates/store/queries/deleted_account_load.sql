SELECT id FROM deleted_account
