# 页面文字。三种语言各自写成，不逐字翻译。
# { $name } 处填入值；{ $number } 是已按本语言习惯写好的数字。

language-name = 中文
skip-to-content = 跳到正文
nav-label = 页面
nav-status = 状态
nav-register = 注册
nav-account = 账号
nav-sign-in = 登录
languages-label = 语言
site-links-label = 关于本站
footer-terms = 使用条款
footer-privacy = 隐私
footer-contact = 联系我们
# 一行里两段文字相接处的句号。
stop = 。

date = { $year } 年 { $month } 月 { $day } 日
moment = { $date } { $clock }（UTC）
span-seconds = { $number } 秒
span-minutes = { $number } 分钟
span-hours = { $number } 小时
span-days = { $number } 天

field-name = 用户名
field-name-hint = 2 到 32 个字符：小写字母 a–z、数字、点、下划线、连字符。
field-password = 密码
field-password-hint = 至少 8 个字符。长比复杂更有用。
field-current-password = 当前密码
field-new-password = 新密码
field-email = 邮箱
field-email-hint = 加密保存。忘记密码时，可凭它找回账号。
field-optional = （选填）

error-name-length = 用户名须为 2 到 32 个字符。
error-name-characters = 只能使用字母 a–z、数字、点、下划线和连字符，首尾须为字母或数字。
error-name-taken = 这个用户名已被使用，请换一个。
error-password-length = 密码至少 8 个字符，最长 1,024 个字母或数字。
error-password-weak = 攻击者最先试的就是这类密码，请换一个。
error-password-wrong = 这不是您的当前密码。
error-email = 这不是有效的邮箱地址。
error-invalid-credentials = 用户名或密码不对，请核对后再登录。
error-key-name = 请给密钥起一个 1 到 64 个字符的名称。
error-key-expires = 请填写将来的日期，或留空。
error-keys-full = 密钥数量已达上限，请先撤销一个。
error-form-expired = 页面打开太久，未作任何更改。请再提交一次。

register-title = 注册
register-intro = 只需用户名和密码。
register-send = 注册
register-have-account = 已有账号？
sign-in-title = 登录
sign-in-send = 登录
sign-in-no-account = 还没有账号？
sign-in-link-note = 此链接可让您登录一次。

standing-suspended = 已停用
standing-visitor = 访客
standing-newcomer = 新用户
standing-member = 成员
standing-trusted = 资深成员

account-title = 账号
account-since = 注册于 { $date }
notice-key-revoked = 密钥已撤销，即刻失效。
notice-session-ended = 该设备已退出登录。
notice-password-changed = 密码已更改，其他设备均已退出登录。

keys-title = API 密钥
keys-intro = 程序凭密钥以您的名义使用本服务。请像密码一样保管。
keys-address = OpenAI 客户端使用的地址：
keys-none = 还没有密钥。
key-new = 您的新密钥
key-new-once = 请现在复制：它只显示这一次。
key-made = 创建于 { $date }
key-expires = 有效至 { $date }
key-never-expires = 长期有效
key-revoke = 撤销
key-revoke-named = 撤销 { $name }
key-create = 创建密钥
field-key-name = 密钥名称
field-key-name-hint = 便于您自己辨认。
field-key-expires = 有效期至
field-key-expires-hint = 截至当天结束（UTC）。

usage-title = 用量
usage-none = 尚无用量。
usage-day = 日期
usage-requests = 请求数
usage-input = 输入 token
usage-output = 输出 token
usage-note = 日期按 UTC 计。token 是模型处理文本的最小单位，一个汉字约为一到两个 token。

sessions-title = 已登录的设备
device-unknown = 未知设备
session-current = 本设备
session-since = 登录于 { $date }
session-last-seen = 最近使用 { $date }
session-end = 让它退出
sign-out = 退出登录
sign-out-everywhere = 退出所有设备

password-title = 密码
password-change = 更改密码
password-change-note = 更改后，其他设备会退出登录；API 密钥不受影响。

home-title = 对话与 API
home-heading = 风浪之中，有问有答
home-what = 由本站自行运营的语言模型对话与 API 服务。
home-promise = 已是成员的人始终优先，遭受攻击时也一样。那时新来的人要多等一会儿，我们会告知需要多久。
home-chat-title = 对话
home-chat = 您的对话加密保存，密钥专属于您的账号。
home-api-title = API
home-api = OpenAI 的客户端无需改动，填上本站地址和密钥即可使用。
home-api-link = API 说明
home-status-title = 状态
home-status = 此刻什么正常、什么不正常，如实公布。
home-status-link = 查看状态

ask-title = 想了解些什么？
ask-label = 您的问题
ask-more-label = 继续提问
ask-model = 模型
ask-send = 发送
ask-wait = 约需 { $span }。
history-title = 历史对话
history-none = 还没有对话。提问之后，会显示在这里。
history-more = 更早的对话
untitled = 未命名的对话
conversation-earlier = 更早的消息
speaker-you = 您
speaker-model = 回答
answer-streaming = 回答还在书写中。
answer-show-more = 显示已写出的部分
answer-stop = 停止
answer-stopped = 您在此处停止了回答。
answer-cut = 因容量不足，回答在此处中断。已写出的部分已保留；如需其余内容，请让它继续。
answer-failed = 没有得到回答，也未计费。请重新发送问题。
answer-not-kept = 目前无法保存回答。您可以继续对话，但想留下的内容请自行复制。

refusal-wait = 请在以下时间后重新发送
refusal-home = 首页
refusal-status = 服务状态
refusal-number = 本次请求编号：

state-works = 正常
state-starting = 正在启动
state-limited = 受限可用
state-down = 不可用
gate-open = 对所有人开放
gate-challenge = 开放，浏览器须完成一次小计算
gate-verified = 开放，须验证联系方式
gate-queue = 需要排队
gate-closed = 已关闭
posture-calm = 平静
posture-guarded = 戒备
posture-siege = 受围
posture-fortress = 堡垒

status-title = 状态
status-all-work = 一切正常
status-some-limited = 部分功能受限
status-some-down = 部分功能不可用
status-checked = 截至 { $moment }
status-answers = 回答（对话与 API）
status-sign-in = 登录
status-registration = 注册
status-storage = 保存对话
status-incident = 目前请求远多于平时。成员优先得到服务，新用户可能需要等待。
status-note = 本页由服务自身根据实测生成。如果连本页也打不开，则全部不可用。

console-name = 控制台
console-title = 控制台
console-registration = 注册：{ $gate }
console-storage = 保存对话：
console-version = Rempart { $version }
console-uptime = 已运行 { $span }
console-accounts = { $number } 个账号
first-run-title = 运营者账号
first-run-intro = 此链接仅可使用一次。请设定您用来管理本平台的用户名和密码。
first-run-send = 创建账号
first-run-spent = 此链接已使用、已过期或不完整。请在服务器上执行以下命令，为已有账号生成新链接：
figure-served = 已应答
figure-served-note = 最近一分钟
figure-refused = 已拒绝
figure-refused-note = 平日接近 0
figure-first-token = 首个 token（中位数）
figure-first-token-p99 = 99% 在 { $ms } 毫秒以内
figure-first-token-none = 尚无回答
figure-in-flight = 正在回答
figure-of = / { $max }
figure-queued = { $count ->
    [0] 无人等候
   *[other] { $number } 个在等候
}
unit-per-min = 次/分
unit-ms = 毫秒
engines-title = 引擎
engines-none = 未配置引擎，无法回答任何问题。请查看配置中的 [engine.NAME]。
engine-name = 名称
engine-state = 状态
engine-running = 回答数
engine-kv = KV token
refusals-title = 启动以来的拒绝
refusals-none = 无。
refusal-reason = 原因
refusal-count = 次数
