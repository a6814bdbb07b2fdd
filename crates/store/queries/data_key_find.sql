SELECT wrapped FROM data_key WHERE account_id = $1
