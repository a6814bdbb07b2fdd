//! The HTML of every sample, in every language, as it was last looked at. `cargo insta review`, or INSTA_UPDATE=always, takes a change over.

use rempart_web::Locale;

use crate::samples;

#[test]
fn pages_look_as_they_did_when_somebody_last_looked() {
    for locale in Locale::ALL {
        for (name, html) in samples::all(*locale) {
            // Addresses of style sheets carry their hash: a change of style is not a change of every page.
            let html = html
                .split("?v=")
                .enumerate()
                .map(
                    |(index, part)| {
                        if index == 0 { part } else { part.trim_start_matches(|c: char| c.is_ascii_hexdigit()) }
                    },
                )
                .collect::<Vec<_>>()
                .join("?v=HASH");
            insta::assert_snapshot!(format!("{name}-{locale}"), html);
        }
    }
}
