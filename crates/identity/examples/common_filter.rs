//! Makes `data/common.filter` anew from a list with a password a line: `cargo run -p rempart-identity --example common_filter -- LIST`.
//!
//! To the list it adds what lists from the west leave out and people in China choose: names and words in pinyin with numbers that sound like
//! something (520 "I love you", 1314 "for ever"), in every order of two.

use std::io::BufRead as _;
use std::path::Path;

use rempart_identity::weak::FilterBuilder;

/// Words and commonest family names, in pinyin.
const STEMS: [&str; 52] = [
    "woaini",
    "aini",
    "woaiwo",
    "woaiwojia",
    "woaiziji",
    "woaiwoziji",
    "woailaopo",
    "woailaogong",
    "woaibaobao",
    "woshishui",
    "wojiushiwo",
    "nihao",
    "nihaoma",
    "caonima",
    "wocaonima",
    "laopo",
    "laogong",
    "baobao",
    "baobei",
    "iloveyou",
    "love",
    "qq",
    "a",
    "aa",
    "aaa",
    "q",
    "qq",
    "w",
    "z",
    "zz",
    "zzz",
    "x",
    "s",
    "as",
    "asd",
    "asdf",
    "zxc",
    "zxcv",
    "qwe",
    "qwer",
    "abc",
    "wang",
    "li",
    "zhang",
    "liu",
    "chen",
    "yang",
    "zhao",
    "huang",
    "zhou",
    "wu",
    "xu",
];

/// Numbers behind or before them, and behind each other.
const NUMBERS: [&str; 22] = [
    "520",
    "521",
    "1314",
    "5201314",
    "1314520",
    "1314521",
    "5211314",
    "123",
    "1234",
    "12345",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "123123",
    "123321",
    "111111",
    "000000",
    "888888",
    "666666",
    "168",
    "110",
];

/// Shorter ones are refused for their length.
const CHARS_MIN: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let list = std::env::args().nth(1).ok_or("name the list")?;
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/common.filter");
    let mut all = std::collections::BTreeSet::new();
    for line in std::io::BufReader::new(std::fs::File::open(list)?).lines() {
        all.insert(line?.to_lowercase());
    }
    all.extend(STEMS.iter().map(|stem| (*stem).to_owned()));
    all.extend(NUMBERS.iter().flat_map(|one| NUMBERS.map(|other| format!("{one}{other}"))));
    for stem in STEMS {
        all.extend(NUMBERS.iter().flat_map(|number| [format!("{stem}{number}"), format!("{number}{stem}")]));
        all.extend(["520", "521", "1314"].iter().map(|number| format!("{stem}{number}{stem}")));
    }
    let mut builder = FilterBuilder::new(&out)?;
    for password in all.iter().filter(|password| password.chars().count() >= CHARS_MIN) {
        builder.add_plain(password)?;
    }
    let report = builder.finish(&out)?;
    eprintln!("{} passwords, {} bytes", report.passwords, report.bytes);
    Ok(())
}
