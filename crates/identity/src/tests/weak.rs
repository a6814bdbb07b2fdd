//! Filters: what is in is found, what is damaged is refused, and a part without passwords is no hole.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use crate::weak::{FilterBuilder, FilterError, PasswordFilter, password_key};

fn filter(lines: &[String], count_min: u64) -> (PasswordFilter, Vec<u8>, crate::weak::FilterReport) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("breached.filter");
    let mut builder = FilterBuilder::new(&path).unwrap();
    for line in lines {
        builder.add_hash_line(line, count_min).unwrap();
    }
    let report = builder.finish(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left of the spools");
    (PasswordFilter::read(&bytes).unwrap(), bytes, report)
}

fn sha1_line(password: &str, count: u64) -> String {
    use sha1::Digest as _;
    let digest: [u8; 20] = sha1::Sha1::digest(password.as_bytes()).into();
    let hex: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{hex}:{count}\r")
}

#[test]
fn the_public_lists_lines_are_read_and_rare_ones_left_out() {
    let mut lines: Vec<String> = (0..500).map(|n| sha1_line(&format!("seen {n}"), n)).collect();
    lines.push("no hash".into());
    lines.push(sha1_line("seen 499", 499));
    let (filter, _, report) = filter(&lines, 100);
    assert_eq!((report.passwords, report.skipped), (400, 1));
    assert!((100..500).all(|n| filter.contains(password_key(&format!("seen {n}")))));
    assert!((0..100).filter(|n| filter.contains(password_key(&format!("seen {n}")))).count() <= 1);
}

#[test]
fn a_large_list_is_made_in_parts_and_everything_in_it_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let mut builder = FilterBuilder::new(&path).unwrap();
    for n in 0..200_500_u32 {
        builder.add_plain(&format!("Plain {n}\n")).unwrap();
    }
    let report = builder.finish(&path).unwrap();
    let filter = PasswordFilter::load(&path, report.bytes).unwrap().unwrap();
    assert_eq!(filter.keys(), 200_500);
    assert!(report.bytes < 200_500 * 3, "{} bytes", report.bytes);
    assert!((0..200_500_u32).step_by(7).all(|n| filter.contains(password_key(&format!("plain {n}")))));
    assert!(matches!(PasswordFilter::load(&path, report.bytes - 1), Err(FilterError::TooLarge { .. })));
    assert!(PasswordFilter::load(&folder.path().join("nothing"), 1).unwrap().is_none());
}

#[test]
fn a_damaged_filter_is_refused_wherever_it_is_damaged() {
    let lines: Vec<String> = (0..50).map(|n| sha1_line(&format!("seen {n}"), n)).collect();
    let (_, bytes, _) = filter(&lines, 0);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        assert!(PasswordFilter::read(&damaged).is_err(), "byte {at}");
        // Whoever can write a checksum too can at most say what is in it.
        let end = damaged.len() - 4;
        let crc = crc32fast::hash(&damaged[..end]).to_le_bytes();
        damaged[end..].copy_from_slice(&crc);
        if let Ok(filter) = PasswordFilter::read(&damaged) {
            for key in [0, u64::MAX, password_key("seen 1")] {
                let _found = filter.contains(key);
            }
        }
    }
    assert!(PasswordFilter::read(&bytes[..bytes.len() - 1]).is_err() && PasswordFilter::read(&[]).is_err());
}

#[test]
fn a_list_without_passwords_makes_no_filter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let mut builder = FilterBuilder::new(&path).unwrap();
    builder.add_hash_line("hello:3", 0).unwrap();
    assert!(builder.finish(&path).is_err() && !path.exists());
}
