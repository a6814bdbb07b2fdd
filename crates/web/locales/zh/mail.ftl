# 邮件的文字。{ $name } 是账号，{ $site } 是平台，{ $span } 是一段时间。

mail-greeting = { $name }，您好：
mail-once = 链接只能使用一次，{ $span }内有效。
mail-ignore = 如果不是您本人操作，请不必理会：不打开链接，就什么都不会发生。
mail-act = 如果不是您本人操作，请立即更改密码，并在账号页面检查您的设备。
mail-confirm = 请确认这个邮箱属于您在 { $site } 的账号。打开链接，再按一下按钮：
    .subject = { $site }：请确认您的邮箱
mail-verify = 有人正在用这个邮箱注册 { $site }，想必就是您。打开链接继续：
    .subject = { $site }：继续注册
mail-reset = 您在 { $site } 的账号收到了重设密码的请求。打开链接，设置新密码：
    .subject = { $site }：设置新密码
mail-sign-in = 这是在新设备上登录 { $site } 的链接。请在那台设备上打开，再按一下按钮：
    .subject = { $site }：您的登录链接
mail-password-changed = 您在 { $site } 的账号密码已更改，其他设备均已退出登录。
    .subject = { $site }：密码已更改
mail-email-changed = 您在 { $site } 的账号邮箱已更改，今后的邮件会发到新邮箱。
    .subject = { $site }：邮箱已更改
mail-factors-changed = 您在 { $site } 的账号的第二验证方式有变动。
    .subject = { $site }：第二验证方式有变动
