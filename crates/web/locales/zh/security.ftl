# 账号的保护：第二验证方式、通行密钥、邮箱、设备、忘记密码。

security-title = 账号安全
security-back = 账号
security-open = 前往设置
security-summary = 第二验证方式、通行密钥、恢复码、邮箱和已知设备。
security-mail-sent = 链接正在发往邮箱，30 分钟内可使用一次。
security-factor-added = 第二验证方式已启用，以后登录时都会要求验证。
security-factor-removed = 第二验证方式已移除。
security-device-forgotten = 该浏览器已不再是已知设备。如果它仍处于登录状态，请在账号页面结束会话。
security-email-confirmed = 邮箱已确认。
security-operator = 您是本平台的运营者：请先设置第二验证方式，设置好之后才能使用其他功能。
security-unsure = 您在新设备上登录时，正有人在这里尝试密码。在您确认是本人之前，我们会按新用户为您服务。
security-unsure-send = 给我发送确认链接

factors-title = 第二验证方式
factors-intro = 即使别人知道了您的密码，没有它也无法登录。通行密钥最省事。
factors-none = 暂未设置。
factor-passkey = 通行密钥
factor-totp = 身份验证器
factor-since = 添加于 { $date }
factor-add = 添加第二验证方式
factor-remove = 移除
passkey-add = 添加通行密钥
passkey-use = 使用通行密钥
passkey-sign-in = 用通行密钥登录
passkey-failed = 没有使用通行密钥。请重试，或不用它继续。
passkey-unavailable = 使用通行密钥需要本站有自己的域名，而这里只有一个地址。
totp-start = 设置身份验证器应用
totp-title = 设置身份验证器应用
totp-scan = 用应用扫描这个二维码。
totp-qr = 身份验证器应用的二维码
totp-type = 或手动输入这个密钥：
totp-open = 在本设备上打开应用
totp-code-hint = 应用当前显示的六位数字。
totp-finish = 启用
field-code = 验证码
codes-new = 您的恢复码
codes-new-note = 每个可代替第二验证方式使用一次。请现在就抄下来：只显示这一次。
codes-kept = 我已保存
codes-left = { $count ->
    [0] 恢复码已用完。
   *[other] 还剩 { $number } 个恢复码。
}
codes-renew = 生成新的恢复码

email-title = 邮箱
email-none = 未填写。没有邮箱，忘记密码时就无法通过邮件重设。
email-confirmed = 已确认
email-unconfirmed = 未确认
email-hint = 我们会发送一个链接，打开之后邮箱才生效。
email-send = 发送链接
mail-does-not-leave = 本平台自己不发送邮件：运营者可以找到这个链接并转交给您。

devices-title = 已知设备
devices-intro = 您曾登录过的浏览器。即使有人在试探您的密码，它们也能照常登录。
device-forget = 移除设备

second-title = 还差一步
second-intro = 密码正确。请再出示您的第二验证方式。
second-code-hint = 应用显示的六位数字，或一个恢复码。
second-back = 返回登录

recover-link = 忘记密码，或在这里无法登录？
recover-title = 找回账号
recover-intro = 请填写您在这里的名字或邮箱。如果有这样的账号，链接会发到它的邮箱。
field-who = 名字或邮箱
recover-reset = 给我发送重设密码的链接
recover-sign-in = 给我发送登录链接
recover-note = 账号是否存在，只会告诉它的邮箱。
recover-sent = 如果有这样的账号，并且填写了邮箱，链接正在发往那里。
recover-sent-note = 链接在 30 分钟内可使用一次。如果没有收到，请看看垃圾邮件；再次提交会重新发送。

reset-title = 设置新密码
reset-send = 保存密码
confirm-title = 确认邮箱
confirm-intro = 此邮箱将属于您的账号：忘记密码时，链接会发到这里。
confirm-send = 确认
link-spent = 此链接已使用、已过期或不完整。
link-again = 重新申请
error-code = 验证码不正确，或已经用过。请使用当前显示的那个。
