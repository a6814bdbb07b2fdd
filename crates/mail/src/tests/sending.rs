//! The whole way: into a folder, and to a mail server that says no, later, and yes.

use std::time::Duration;

use rempart_domain::{Millis, Sensitive};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{Address, Mail, MailLane, MailLimits, Mailer, Route, Sender, SmtpOptions, SmtpTls};

fn mail(to: &str, subject: &str, text: &str) -> Mail {
    Mail {
        to: Address::parse(to).unwrap(),
        lane: MailLane::Account,
        subject: subject.into(),
        text: Sensitive::new(text.into()),
        language: "zh",
        lasts: Millis::from_secs(600),
    }
}

fn sender() -> Sender {
    Sender::new("Rempart\r\nBcc: all@example.com", "rempart@localhost").unwrap()
}

/// Runs the mailer until `is_done`.
async fn run_until(mailer: &Mailer, is_done: impl Fn(&Mailer) -> bool) {
    let stop = CancellationToken::new();
    let running = mailer.clone().run(stop.clone());
    let watching = async {
        while !is_done(mailer) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    };
    tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(running, watching) }).await.expect("it ends");
}

#[tokio::test]
async fn the_outbox_has_a_readable_file_and_no_header_comes_from_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let route = Route::Outbox { folder: folder.path().to_owned(), files_max: 3 };
    let mailer = Mailer::new(route, sender(), MailLimits::default(), false).unwrap();
    let link = "http://localhost:8080/reset?link=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    mailer.try_send(mail("lin@example.org", "密码\r\nBcc: evil@example.com", &format!("您好：\n\n{link}\n"))).unwrap();
    run_until(&mailer, |m| m.counts().sent == 1).await;
    let entry = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
    let text = std::fs::read_to_string(entry.path()).unwrap();
    assert!(text.contains(link) && text.contains("您好"), "{text}");
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("To: lin@example.org"), "{head}");
    assert!(!head.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{head}");
    assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(entry.path()).unwrap().permissions().mode() & 0o077, 0);
    }
}

#[tokio::test]
async fn the_outbox_keeps_so_many_files_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let route = Route::Outbox { folder: folder.path().to_owned(), files_max: 3 };
    let mailer = Mailer::new(route, sender(), MailLimits::default(), false).unwrap();
    for index in 0..7 {
        mailer.try_send(mail(&format!("u{index}@example{index}.org"), "s", "t")).unwrap();
    }
    run_until(&mailer, |m| m.counts().sent == 7).await;
    assert!(std::fs::read_dir(folder.path()).unwrap().count() <= 3);
}

/// Speaks just enough SMTP for one connection after another; `replies` answer `RCPT TO` in turn, then always 250.
async fn mail_server(listener: TcpListener, mut replies: Vec<&'static str>, got: tokio::sync::mpsc::Sender<String>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        talk(stream, &mut replies, &got).await;
    }
}

async fn talk(stream: TcpStream, replies: &mut Vec<&'static str>, got: &tokio::sync::mpsc::Sender<String>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let reply = match word.as_str() {
            "RCPT" if !replies.is_empty() => replies.remove(0),
            "DATA" => {
                write.write_all(b"354 go\r\n").await.unwrap();
                let mut text = String::new();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line == "." {
                        break;
                    }
                    text.push_str(&line);
                    text.push('\n');
                }
                got.send(text).await.unwrap();
                "250 ok"
            }
            "QUIT" => return,
            _ => "250 ok",
        };
        if write.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_mail_server_gets_the_mail_and_its_no_is_final() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (got_in, mut got) = tokio::sync::mpsc::channel(8);
    let server = mail_server(listener, vec!["550 no such user", "451 later"], got_in);
    let options = SmtpOptions {
        host: "127.0.0.1".into(),
        port,
        tls: SmtpTls::None,
        credentials: None,
        hello_name: "localhost".into(),
        ca_file: None,
    };
    let mailer = Mailer::new(Route::Smtp(options), sender(), MailLimits::default(), true).unwrap();
    for (to, subject) in [("nobody@example.org", "1"), ("busy@example.net", "2"), ("lin@example.com", "3")] {
        mailer.try_send(mail(to, subject, "您好\n.\nline\n")).unwrap();
    }
    let client = run_until(&mailer, |m| {
        let counts = m.counts();
        counts.sent == 1 && counts.refused == 1 && counts.retried == 1
    });
    tokio::select! {
        () = server => panic!("the server ended"),
        () = client => {}
    }
    let text = got.recv().await.unwrap();
    assert!(text.contains("To: lin@example.com") && text.contains("From: "), "{text}");
    assert_eq!(mailer.counts().queued_account, 1, "the one that shall come again waits");
}
