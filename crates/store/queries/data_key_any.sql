SELECT account_id FROM data_key LIMIT 1
