//! Builds a filter from a list that may not fit into memory: keys are sorted into 256 spool files first, then a part at a time is made.
//!
//! The public list has some 900 million passwords: 7 GB of spool, 2 GB of filter, 120 MB of memory. With `--min-count 10` it is a fraction.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use xorf::BinaryFuse16;

use super::file::{MAGIC, PARTS_MAX};
use super::password_key;

/// Fewer keys than this are one part.
const ONE_PART_MAX: u64 = 200_000;

/// Why a filter is not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The disk.
    #[error("the filter cannot be written")]
    Io(#[from] std::io::Error),
    /// The list has no password in it.
    #[error("there is no password in the list: lines are SHA1:COUNT, or passwords with --plain")]
    Empty,
    /// The construction did not end; it never happened.
    #[error("the filter could not be built")]
    Construction,
}

/// What was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterReport {
    /// Different passwords in it.
    pub passwords: u64,
    /// Lines that were none.
    pub skipped: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Takes lines, then writes the filter.
pub struct FilterBuilder {
    folder: tempfile::TempDir,
    spools: Vec<BufWriter<File>>,
    added: u64,
    skipped: u64,
}

impl std::fmt::Debug for FilterBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilterBuilder").field("added", &self.added).finish_non_exhaustive()
    }
}

impl FilterBuilder {
    /// Spools beside the file that will be written.
    pub fn new(beside: &Path) -> Result<Self, BuildError> {
        let parent = beside.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = tempfile::Builder::new().prefix(".breached-").tempdir_in(parent)?;
        let spools = (0..PARTS_MAX).map(|part| Ok(BufWriter::new(File::create(spool(&folder, part))?)));
        Ok(Self { spools: spools.collect::<std::io::Result<_>>()?, folder, added: 0, skipped: 0 })
    }

    /// A line of the public list: 40 hexadecimal digits, a colon, how often it was seen. Rarer ones than `count_min` are left out.
    pub fn add_hash_line(&mut self, line: &str, count_min: u64) -> Result<(), BuildError> {
        let line = line.trim();
        let (hash, count) = line.split_once(':').unwrap_or((line, ""));
        let key = hash.get(..16).filter(|_| hash.len() == 40).and_then(|head| u64::from_str_radix(head, 16).ok());
        let is_frequent = count_min <= 1 || count.trim().parse::<u64>().is_ok_and(|count| count >= count_min);
        match key {
            Some(key) if is_frequent => self.add(key),
            Some(_) => Ok(()),
            None => {
                self.skipped += u64::from(!line.is_empty());
                Ok(())
            }
        }
    }

    /// A password as it stands; looked up in lower case too.
    pub fn add_plain(&mut self, password: &str) -> Result<(), BuildError> {
        let password = password.trim_end_matches(['\r', '\n']);
        if password.is_empty() { Ok(()) } else { self.add(password_key(&password.to_lowercase())) }
    }

    fn add(&mut self, key: u64) -> Result<(), BuildError> {
        let part = usize::try_from(key >> 56).unwrap_or(0);
        if let Some(spool) = self.spools.get_mut(part) {
            spool.write_all(&key.to_le_bytes())?;
            self.added += 1;
        }
        Ok(())
    }

    /// Writes the filter to `path`, whole or not at all.
    pub fn finish(mut self, path: &Path) -> Result<FilterReport, BuildError> {
        for spool in &mut self.spools {
            spool.flush()?;
        }
        self.spools.clear();
        if self.added == 0 {
            return Err(BuildError::Empty);
        }
        let mut keys = self.read_parts(0..PARTS_MAX, self.added <= ONE_PART_MAX)?;
        let mut out = tempfile::NamedTempFile::new_in(self.folder.path())?;
        // The parts' heads come first in the file, and are known last: the parts go into a file of their own meanwhile.
        let mut body = tempfile::tempfile_in(self.folder.path())?;
        let (mut heads, mut passwords) = (Vec::new(), 0_u64);
        for part in 0..keys.parts {
            let keys = keys.next(part, &self.folder)?;
            passwords += keys.len() as u64;
            heads.extend(write_part(&keys, &mut body)?);
        }
        let mut head = MAGIC.to_vec();
        head.extend(keys.parts.to_le_bytes());
        head.extend(passwords.to_le_bytes());
        head.extend(heads);
        let bytes = join(&head, &mut body, out.as_file_mut())?;
        out.as_file().sync_all()?;
        out.persist(path).map_err(|error| BuildError::Io(error.error))?;
        Ok(FilterReport { passwords, skipped: self.skipped, bytes })
    }

    fn read_parts(&self, all: std::ops::Range<u32>, is_one: bool) -> Result<Parts, BuildError> {
        if !is_one {
            return Ok(Parts { parts: PARTS_MAX, whole: None });
        }
        let mut keys = Vec::new();
        for part in all {
            keys.extend(read_spool(&spool(&self.folder, part))?);
        }
        Ok(Parts { parts: 1, whole: Some(keys) })
    }
}

/// The keys of each part: from one list, or from its spool.
struct Parts {
    parts: u32,
    whole: Option<Vec<u64>>,
}

impl Parts {
    fn next(&mut self, part: u32, folder: &tempfile::TempDir) -> Result<Vec<u64>, BuildError> {
        let mut keys = match self.whole.take() {
            Some(keys) => keys,
            None => read_spool(&spool(folder, part))?,
        };
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }
}

fn spool(folder: &tempfile::TempDir, part: u32) -> PathBuf {
    folder.path().join(format!("{part:02x}"))
}

fn read_spool(path: &Path) -> Result<Vec<u64>, BuildError> {
    let mut bytes = Vec::new();
    BufReader::new(File::open(path)?).read_to_end(&mut bytes)?;
    let keys = bytes.chunks_exact(8).filter_map(|chunk| Some(u64::from_le_bytes(*chunk.first_chunk()?)));
    Ok(keys.collect())
}

/// Writes a part's fingerprints; returns its head.
fn write_part(keys: &[u64], body: &mut File) -> Result<Vec<u8>, BuildError> {
    let mut head = Vec::with_capacity(20);
    if keys.is_empty() {
        head.resize(20, 0);
        return Ok(head);
    }
    let filter = BinaryFuse16::try_from(keys).map_err(|_| BuildError::Construction)?;
    let len = u32::try_from(filter.fingerprints.len()).map_err(|_| BuildError::Construction)?;
    head.extend(filter.descriptor.seed.to_le_bytes());
    head.extend(filter.descriptor.segment_length.to_le_bytes());
    head.extend(filter.descriptor.segment_count_length.to_le_bytes());
    head.extend(len.to_le_bytes());
    let mut writer = BufWriter::new(body);
    for fingerprint in &filter.fingerprints {
        writer.write_all(&fingerprint.to_le_bytes())?;
    }
    writer.flush()?;
    Ok(head)
}

/// Head, body, checksum; returns the bytes written.
fn join(head: &[u8], body: &mut File, out: &mut File) -> Result<u64, BuildError> {
    use std::io::Seek as _;
    let mut crc = crc32fast::Hasher::new();
    let mut writer = BufWriter::new(out);
    let mut bytes = u64::try_from(head.len()).unwrap_or(0);
    crc.update(head);
    writer.write_all(head)?;
    body.seek(std::io::SeekFrom::Start(0))?;
    let mut buffer = vec![0_u8; 65_536];
    loop {
        let len = body.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..len).filter(|chunk| !chunk.is_empty()) else { break };
        crc.update(chunk);
        writer.write_all(chunk)?;
        bytes += len as u64;
    }
    writer.write_all(&crc.finalize().to_le_bytes())?;
    writer.flush()?;
    Ok(bytes + 4)
}
