//! Names of models, and what a person may write to have one.
//!
//! What must stay true: an id is a file name that cannot leave its folder, hide or be mistaken for an option.

use std::path::PathBuf;

use super::ModelsError;

/// Longest id.
const ID_LEN_MAX: usize = 100;

/// Makes an id of a name: small letters, without `.gguf`.
pub(super) fn parse(name: &str) -> Result<String, ModelsError> {
    let lower = name.to_ascii_lowercase();
    let id = lower.strip_suffix(".gguf").unwrap_or(&lower);
    let is_plain = id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
    let starts_well = id.starts_with(|c: char| c.is_ascii_alphanumeric());
    if is_plain && starts_well && id.len() <= ID_LEN_MAX {
        Ok(id.to_owned())
    } else {
        Err(ModelsError::BadName { name: name.chars().take(ID_LEN_MAX).collect() })
    }
}

/// Makes an id of any text: what no id may hold becomes `-`.
fn slug(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let stem = lower.strip_suffix(".gguf").unwrap_or(&lower);
    let plain = stem.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' });
    let slug: String = plain.skip_while(|c| !c.is_ascii_alphanumeric()).take(ID_LEN_MAX).collect();
    if slug.is_empty() { "model".to_owned() } else { slug }
}

/// Where a model is to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The default model, from PyPI.
    Default,
    /// A file of a hub's repository.
    Hub { owner: String, repo: String, file: String },
    /// An address.
    Url(String),
    /// A file of this machine.
    Local(PathBuf),
    /// A name: only what is here already.
    Name(String),
}

/// What was asked for: a place and perhaps the hash it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) place: Place,
    /// 64 hexadecimal digits, small.
    pub(super) sha256: Option<String>,
}

impl Wanted {
    /// Reads what a person wrote.
    pub(super) fn parse(what: &str) -> Result<Self, ModelsError> {
        let bad = || ModelsError::BadSource { what: what.chars().take(200).collect() };
        let (what, sha256) = match what.split_once("#sha256=") {
            Some((before, hash)) => (before, Some(hash.to_ascii_lowercase())),
            None => (what, None),
        };
        if sha256.as_ref().is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(bad());
        }
        let place = Self::place(what).ok_or_else(bad)?;
        Ok(Self { place, sha256 })
    }

    fn place(what: &str) -> Option<Place> {
        if what.eq_ignore_ascii_case(super::DEFAULT_MODEL) {
            return Some(Place::Default);
        }
        if what.starts_with("https://") || what.starts_with("http://") {
            return Some(Place::Url(what.to_owned()));
        }
        if what.contains("://") || what.is_empty() {
            return None;
        }
        let is_path = ["/", "./", "../"].iter().any(|begin| what.starts_with(begin));
        if is_path {
            return Some(Place::Local(PathBuf::from(what)));
        }
        if let Some(hub) = Self::hub(what) {
            return Some(hub);
        }
        if what.contains('/') || std::path::Path::new(what).is_file() {
            let is_path = what.ends_with(".gguf") && !what.contains(':');
            return is_path.then(|| Place::Local(PathBuf::from(what)));
        }
        parse(what).ok().map(Place::Name)
    }

    /// `owner/repo:file.gguf` or `owner/repo/file.gguf`, the file perhaps in folders.
    fn hub(what: &str) -> Option<Place> {
        let (repo_path, file) = match what.split_once(':') {
            Some(parts) => parts,
            None => {
                let (index, _) = what.match_indices('/').nth(1)?;
                what.split_at_checked(index).map(|(repo, file)| (repo, file.trim_start_matches('/')))?
            }
        };
        let (owner, repo) = repo_path.split_once('/')?;
        let is_segment = |text: &str| {
            !text.is_empty()
                && !text.starts_with('.')
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        let is_good = is_segment(owner) && is_segment(repo) && file.split('/').all(is_segment);
        let is_gguf = file.to_ascii_lowercase().ends_with(".gguf");
        (is_good && is_gguf).then(|| Place::Hub {
            owner: owner.to_owned(),
            repo: repo.to_owned(),
            file: file.to_owned(),
        })
    }
}

impl Place {
    /// The id it gets, and a longer one for the case that another model has the first.
    pub(super) fn ids(&self) -> (String, String) {
        match self {
            Self::Default => (super::DEFAULT_MODEL.to_owned(), super::DEFAULT_MODEL.to_owned()),
            Self::Hub { owner, repo, file } => (slug(last(file)), slug(&format!("{owner}-{repo}-{file}"))),
            Self::Url(url) => {
                let path = url.split(['?', '#']).next().unwrap_or_default();
                let rest = path.split_once("://").map_or(path, |(_, rest)| rest);
                (slug(last(path)), slug(rest))
            }
            Self::Local(path) => {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                (slug(name), slug(&path.to_string_lossy()))
            }
            Self::Name(id) => (id.clone(), id.clone()),
        }
    }

    /// True for one of several files of a model (`…-00001-of-00003.gguf`).
    pub(super) fn is_split(&self) -> bool {
        let (id, _) = self.ids();
        let Some((before, count)) = id.rsplit_once("-of-") else { return false };
        let is_number = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
        is_number(count) && before.rsplit('-').next().is_some_and(is_number)
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Place, Wanted, parse};

    fn place(what: &str) -> Option<Place> {
        Wanted::parse(what).ok().map(|wanted| wanted.place)
    }

    #[test]
    fn names_cannot_leave_the_folder_hide_or_be_options() {
        for name in
            ["", ".", "..", "../x", "a/b", ".hidden", "-rf", "a\\b", "a b", "é", "a\0", &"a".repeat(101), ".gguf"]
        {
            assert!(parse(name).is_err(), "{name:?}");
        }
        assert_eq!(parse("Qwen2.5-0.5B_Q4.GGUF").unwrap(), "qwen2.5-0.5b_q4");
    }

    #[test]
    fn each_way_to_write_a_source_is_told_apart() {
        let hub = |file: &str| Some(Place::Hub { owner: "Own".into(), repo: "Re.po".into(), file: file.into() });
        assert_eq!(place("SmolLM2-135M-Instruct"), Some(Place::Default));
        assert_eq!(place("Own/Re.po:m.gguf"), hub("m.gguf"));
        assert_eq!(place("Own/Re.po/m.gguf"), hub("m.gguf"));
        assert_eq!(place("Own/Re.po:sub/m.gguf"), hub("sub/m.gguf"));
        assert_eq!(place("https://h/x.gguf"), Some(Place::Url("https://h/x.gguf".into())));
        assert_eq!(place("/a/b/c.gguf"), Some(Place::Local("/a/b/c.gguf".into())));
        assert_eq!(place("./a/b/c.gguf"), Some(Place::Local("./a/b/c.gguf".into())));
        assert_eq!(place("own/../m.gguf"), Some(Place::Local("own/../m.gguf".into())), "a path, no repository");
        assert_eq!(place("dir/c.gguf"), Some(Place::Local("dir/c.gguf".into())));
        assert_eq!(place("some-model"), Some(Place::Name("some-model".into())));
        for bad in ["", "ftp://h/x.gguf", "own/repo:../m.gguf", "own/repo:m.bin", "own/repo", "a b"] {
            assert_eq!(place(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn hash_at_the_end_is_read_and_must_be_one() {
        let hash = "AB".repeat(32);
        let wanted = Wanted::parse(&format!("https://h/x.gguf#sha256={hash}")).unwrap();
        assert_eq!(wanted.sha256, Some("ab".repeat(32)));
        assert!(Wanted::parse("https://h/x.gguf#sha256=12").is_err());
    }

    #[test]
    fn ids_come_from_the_file_and_a_longer_one_from_the_whole_source() {
        let ids = |what: &str| place(what).unwrap().ids();
        assert_eq!(
            ids("Own/Re.po:sub/My Model.gguf".replace(' ', "_").as_str()),
            ("my_model".into(), "own-re.po-sub-my_model".into())
        );
        assert_eq!(ids("https://h/a/X.gguf?download=1"), ("x".into(), "h-a-x".into()));
        assert_eq!(ids("https://h/../..gguf").0, "model");
        assert_eq!(ids("/m/Ünï.gguf").0, "n-");
        for what in ["Own/Re.po:sub/m.gguf", "https://h/a/%2e%2e.gguf", "/m/Ü.gguf", "/m/-x.gguf"] {
            let (short, long) = ids(what);
            assert!(parse(&short).is_ok() && parse(&long).is_ok(), "{what}: {short} {long}");
        }
    }

    #[test]
    fn split_models_are_recognised() {
        assert!(place("o/r:big-00001-of-00003.gguf").unwrap().is_split());
        assert!(!place("o/r:one-of-us.gguf").unwrap().is_split());
    }
}
