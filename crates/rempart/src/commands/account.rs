//! `account …`: accounts by an operator's hand, on a running or a stopped platform.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use rempart_domain::{Role, Standing};

use super::breached::Breached;
use super::{Scene, to_json};
use crate::admin::{
    AccountChange, AccountRow, Command, Door, IMPORT_BATCH_BYTES_MAX, IMPORT_BATCH_LEN_MAX, ImportLine, Reply, ask_once,
};
use crate::cli::Globals;
use crate::outcome::{Failure, say, tell};

/// Longest line of an import file, in bytes.
const IMPORT_LINE_BYTES_MAX: u64 = 65_536;

/// Refused lines that are told one by one; the others are counted.
const REFUSED_TOLD_MAX: u64 = 100;

/// Longest password line on stdin, in bytes.
const PASSWORD_LINE_BYTES_MAX: u64 = 4096;

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Makes an account
    Create(Create),
    /// Lists all accounts in the order of their names
    List,
    /// Shows one account
    Show(Name),
    /// Changes an account
    Set(Set),
    /// Suspends an account: it is not served, its data stays; `set NAME --standing member` undoes it
    Suspend(Name),
    /// Deletes an account; what it wrote becomes unreadable at once
    Delete(Name),
    /// Prints a one-time sign-in address
    Link(Name),
    /// Builds the filter of breached passwords from the public list; no account is touched
    Breached(Breached),
    /// Brings accounts in: JSON lines {"name","standing"?,"created"?,"email"?,"password_hash"? (PHC),"keys"? (number)}
    Import(Import),
}

/// An account's name.
#[derive(Debug, Args)]
pub(crate) struct Name {
    /// The account
    #[arg(value_name = "NAME")]
    name: String,
}

/// Arguments of `create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name: 2 to 32 of a-z, 0-9, '.', '_', '-'
    #[arg(value_name = "NAME")]
    name: String,
    /// suspended, newcomer, member or trusted; an account made by hand is a member
    #[arg(long, value_name = "S", value_parser = parse_standing)]
    standing: Option<Standing>,
    /// none or operator
    #[arg(long, value_name = "ROLE", value_parser = parse_role)]
    role: Option<Role>,
    /// Mail address
    #[arg(long, value_name = "A")]
    email: Option<String>,
    /// Reads the password from the first line of stdin; without it, use `account link`
    #[arg(long)]
    password_stdin: bool,
}

/// Arguments of `set`.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The account
    #[arg(value_name = "NAME")]
    name: String,
    /// suspended, newcomer, member or trusted
    #[arg(long, value_name = "S", value_parser = parse_standing)]
    standing: Option<Standing>,
    /// none or operator
    #[arg(long, value_name = "ROLE", value_parser = parse_role)]
    role: Option<Role>,
    /// Mail address; an empty one removes it
    #[arg(long, value_name = "A")]
    email: Option<String>,
    /// Reads a new password from the first line of stdin; ends all sessions
    #[arg(long)]
    password_stdin: bool,
    /// Ends all sessions
    #[arg(long)]
    end_sessions: bool,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file; - is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

fn parse_standing(word: &str) -> Result<Standing, String> {
    match Standing::parse(word) {
        Ok(Standing::Visitor) | Err(_) => Err("it is suspended, newcomer, member or trusted".to_owned()),
        Ok(standing) => Ok(standing),
    }
}

fn parse_role(word: &str) -> Result<Role, String> {
    Role::parse(word).map_err(|_| "it is none or operator".to_owned())
}

pub(crate) async fn run(globals: &Globals, command: Account) -> Result<ExitCode, Failure> {
    let scene = Scene::open(globals)?;
    let command = match command {
        Account::List => return list(&scene).await,
        Account::Import(args) => return import(&scene, args).await,
        Account::Breached(args) => return super::breached::build(&scene, &args).map(|()| ExitCode::SUCCESS),
        Account::Show(args) => Command::AccountShow { name: args.name },
        Account::Delete(args) => Command::AccountDelete { name: args.name },
        Account::Link(args) => Command::AccountLink { name: args.name },
        Account::Suspend(args) => {
            let mut change = AccountChange::default();
            change.name = args.name;
            change.standing = Some(Standing::Suspended.to_string());
            Command::AccountSet(change)
        }
        Account::Create(args) => Command::AccountCreate(AccountChange {
            name: args.name,
            standing: args.standing.map(|standing| standing.to_string()),
            role: args.role.map(|role| role.to_string()),
            email: args.email,
            password: read_password(args.password_stdin)?,
            ends_sessions: false,
        }),
        Account::Set(args) => Command::AccountSet(AccountChange {
            name: args.name,
            standing: args.standing.map(|standing| standing.to_string()),
            role: args.role.map(|role| role.to_string()),
            email: args.email,
            password: read_password(args.password_stdin)?,
            ends_sessions: args.end_sessions,
        }),
    };
    let reply = ask_once(&scene.config, &scene.folder, command).await?;
    say_reply(&scene, &reply)?;
    Ok(ExitCode::SUCCESS)
}

fn say_reply(scene: &Scene, reply: &Reply) -> Result<(), Failure> {
    match reply {
        Reply::Account(row) if scene.json => say(&to_json(row)?),
        Reply::Account(row) => {
            say(&line_of(row))?;
            if let Some(email) = &row.email { say(&format!("  mail {email}")) } else { Ok(()) }
        }
        Reply::Link { url, expires } if scene.json => {
            say(&serde_json::json!({ "url": url, "expires": expires }).to_string())
        }
        Reply::Link { url, expires } => {
            tell(&format!("good once, until {expires}"));
            say(url)
        }
        _ if scene.json => say("{\"status\":\"ok\"}"),
        _ => say("done"),
    }
}

fn line_of(row: &AccountRow) -> String {
    let mut line = format!("{:<32} {} {:<9} since {}", row.name, row.id, row.standing, row.created);
    if row.role != Role::None.as_str() {
        line.push_str(&format!("  {}", row.role));
    }
    if !row.has_password {
        line.push_str("  no password");
    }
    line
}

/// Page by page, so that a million accounts need no memory here.
async fn list(scene: &Scene) -> Result<ExitCode, Failure> {
    let mut door = Door::open(&scene.config, &scene.folder).await?;
    let (mut after, mut is_first) = (None, true);
    if scene.json {
        say("{\"data\":[")?;
    }
    loop {
        let Reply::Accounts { data, next } = door.execute(Command::AccountList { after }).await? else { break };
        for row in &data {
            match (scene.json, is_first) {
                (false, _) => say(&line_of(row))?,
                (true, true) => say(&to_json(row)?)?,
                (true, false) => say(&format!(",{}", to_json(row)?))?,
            }
            is_first = false;
        }
        if next.is_none() {
            break;
        }
        after = next;
    }
    door.close().await;
    if scene.json {
        say("],\"next\":null}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The first line of stdin, without its end.
fn read_password(is_wanted: bool) -> Result<Option<String>, Failure> {
    if !is_wanted {
        return Ok(None);
    }
    let mut line = String::new();
    let read = BufReader::new(std::io::stdin().lock().take(PASSWORD_LINE_BYTES_MAX)).read_line(&mut line);
    read.map_err(|error| Failure::Usage(format!("no password on stdin: {error}")))?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    drop(rempart_domain::Secret::new(line));
    if password.is_empty() { Err(Failure::Usage("no password on stdin".to_owned())) } else { Ok(Some(password)) }
}

/// What an import has come to.
#[derive(Default)]
struct Tally {
    line: u64,
    made: u64,
    refused: u64,
}

impl Tally {
    fn refuse(&mut self, line: u64, reason: &str) {
        self.refused += 1;
        if self.refused <= REFUSED_TOLD_MAX {
            tell(&format!("line {line}: {reason}"));
        }
    }
}

async fn import(scene: &Scene, args: Import) -> Result<ExitCode, Failure> {
    let source: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        let file = File::open(&args.file);
        Box::new(file.map_err(|error| Failure::Failed(format!("{}: {error}", args.file.display())))?)
    };
    let mut lines = BufReader::with_capacity(262_144, source);
    let mut door = Door::open(&scene.config, &scene.folder).await?;
    let mut tally = Tally::default();
    loop {
        let (batch, is_end) = read_batch(&mut lines, &mut tally)?;
        if !batch.is_empty() {
            let (numbers, accounts) = batch.into_iter().unzip();
            import_batch(&mut door, numbers, accounts, &mut tally).await?;
        }
        if is_end {
            break;
        }
    }
    door.close().await;
    tell(&format!("{} imported, {} refused", tally.made, tally.refused));
    Ok(ExitCode::from(u8::from(tally.refused > 0)))
}

async fn import_batch(
    door: &mut Door,
    numbers: Vec<u64>,
    accounts: Vec<ImportLine>,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let Reply::Imported { accounts, refused } = door.execute(Command::AccountImport { accounts }).await? else {
        return Err(Failure::Internal("the import was answered with something else".to_owned()));
    };
    let mut out = String::new();
    for row in &accounts {
        out.push_str(&to_json(row)?);
        out.push('\n');
    }
    if !out.is_empty() {
        say(out.trim_end())?;
    }
    tally.made += accounts.len() as u64;
    for (position, reason) in refused {
        tally.refuse(numbers.get(position).copied().unwrap_or_default(), &reason);
    }
    Ok(())
}

/// Numbered lines of the next batch, and whether the file has ended.
fn read_batch(
    lines: &mut BufReader<Box<dyn Read>>,
    tally: &mut Tally,
) -> Result<(Vec<(u64, ImportLine)>, bool), Failure> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < IMPORT_BATCH_LEN_MAX && bytes < IMPORT_BATCH_BYTES_MAX {
        let mut line = Vec::new();
        let read = lines.by_ref().take(IMPORT_LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let len = read.map_err(|error| Failure::Failed(format!("line {}: {error}", tally.line + 1)))?;
        if len == 0 {
            return Ok((batch, true));
        }
        tally.line += 1;
        bytes += len;
        if len as u64 == IMPORT_LINE_BYTES_MAX && !line.ends_with(b"\n") {
            return Err(Failure::Failed(format!("line {} is longer than {IMPORT_LINE_BYTES_MAX} bytes", tally.line)));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<ImportLine>(&line) {
            Ok(account) => batch.push((tally.line, account)),
            Err(error) => tally
                .refuse(tally.line, &format!("no account as JSON ({:?}, column {})", error.classify(), error.column())),
        }
    }
    Ok((batch, false))
}
