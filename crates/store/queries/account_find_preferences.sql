SELECT locale, theme, time_zone FROM account WHERE id = $1
