//! Makes `data/common.filter` anew from a list with a password a line: `cargo run -p rempart-identity --example common_filter -- LIST`.

use std::io::BufRead as _;
use std::path::Path;

use rempart_identity::weak::FilterBuilder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let list = std::env::args().nth(1).ok_or("name the list")?;
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/common.filter");
    let mut builder = FilterBuilder::new(&out)?;
    for line in std::io::BufReader::new(std::fs::File::open(list)?).lines() {
        builder.add_plain(&line?)?;
    }
    let report = builder.finish(&out)?;
    eprintln!("{} passwords, {} bytes", report.passwords, report.bytes);
    Ok(())
}
