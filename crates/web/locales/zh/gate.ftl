# 注册关口：计算、排队、邀请、确认邮箱。

challenge-working = 浏览器正在做一个小计算，让机器人付出代价。您可以继续填写。
challenge-done = 计算完成。
challenge-failed = 计算没有成功。您仍可提交：会得到一个排队位置。
challenge-failed-here = 计算没有成功。再次提交即可重试，也可以排队。
challenge-register-otherwise = 如果浏览器无法完成这个小计算，您会得到一个排队位置。
challenge-sign-in-otherwise = 陌生设备需要先做一个小计算。如果浏览器无法完成，请填写名称后排队，或让我们邮寄一个链接给您。
challenge-mail-otherwise = 需要先做一个小计算。如果浏览器无法完成，请排队。
challenge-wait = 排队等候

gate-intro-queue = 目前注册名额受限。请选一个名称并领取排队位置；轮到您时再设密码。
gate-intro-verified = 需要名称、密码，以及一个由您确认的邮箱。
gate-intro-turn = 轮到您了。请现在设置密码：我们保留了您的位置，没有保留密码。有效时间 { $span }。
gate-intro-confirmed = 邮箱已确认。设置密码即可完成。
gate-intro-invited = 您有邀请，无需等待。名称和密码即可。
gate-take-place = 领取位置
gate-email-required = （我们会寄给您一个链接）

wait-title = 您正在排队
wait-limited = 目前注册名额受限。
wait-unknown-device = 目前请求登录的人很多，陌生设备需要排队。
wait-turn = 轮到您了，请在此继续。
wait-place = { $position ->
    [1] 下一位就是您
   *[other] 您排在第 { $number } 位
}，{ $time }。
wait-time = 预计约 { $span }
wait-time-unknown = 目前没有放行，无法预计时间
wait-link = 可以关闭本页，链接会保留您的位置。
wait-look = 再看一次
wait-look-again = 本页会自行刷新。

mailed-sent = 如果您能收取这个邮箱的邮件，一封带链接的信已在路上。链接 6 小时内有效。
mailed-not-there = 没有收到？请查看垃圾邮件，或再寄一次，也可以换一个邮箱。
mailed-again = 再寄一次
mailed-too-soon = 间隔太短，没有再寄。请过几分钟再试。

error-challenge = 需要先做一个小计算。请重新填写，计算会同时进行。
error-ticket = 这个排队位置已失效，或属于另一个名称。请重新领取。
error-invite = 这个邀请已被使用、收回或过期。
error-email-required = 需要邮箱：我们会寄给您一个链接来完成注册。
error-email-disposable = 这个服务商的邮件会被丢弃。请换一个邮箱。

invites-go = 邀请他人、查看您的邀请
invites-members-only = 成为会员后即可邀请：正常使用一段时间，新用户便成为会员。
invites-title = 邀请
invites-intro = 持您的邀请注册的人无需排队。每个邀请只供一人使用；本月您还可以发出 { $left } 个。
invites-none-left = 本月的邀请已全部发出。
invites-make = 发出邀请
invites-new = 请把这个地址发给您邀请的人。它只显示这一次：
invites-used = 已使用
invites-used-by = 由 { $name } 使用
invites-open = 有效至 { $date }
invites-over = 未使用
invites-revoke = 收回
invites-revoked = 邀请已收回。
