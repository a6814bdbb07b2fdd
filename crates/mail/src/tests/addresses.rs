//! Nothing that is an address carries a header, a second recipient or a comment.

use crate::Address;

#[test]
fn plain_addresses_are_taken_and_their_domains_folded() {
    for (text, domain) in [
        ("lin@example.org", "example.org"),
        ("lin.mei+chat@Sub.Example.CO", "sub.example.co"),
        ("  o'brien@example.org ", "example.org"),
        ("x@xn--fiqs8s.cn", "xn--fiqs8s.cn"),
    ] {
        let address = Address::parse(text).unwrap();
        assert_eq!(address.domain(), domain);
    }
}

#[test]
fn whatever_could_be_more_than_one_address_is_none() {
    let long = format!("{}@example.org", "a".repeat(65));
    for text in [
        "",
        "lin",
        "@example.org",
        "lin@",
        "lin@localhost",
        "lin@127.0.0.1",
        "lin@[127.0.0.1]",
        "lin@example.org\nBcc: a@example.com",
        "lin@example.org\r\n\r\nhello",
        "lin\n@example.org",
        "lin@exam\0ple.org",
        "lin@example.org,a@example.com",
        "lin@example.org a@example.com",
        "<lin@example.org>",
        "Lin <lin@example.org>",
        "\"lin mei\"@example.org",
        "lin(comment)@example.org",
        "a@b@example.org",
        "lin..mei@example.org",
        ".lin@example.org",
        "lin@-example.org",
        "lin@example..org",
        "lin@exämple.org",
        "林@example.org",
        "lin\u{2028}@example.org",
        &long,
    ] {
        assert!(Address::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn one_mailbox_counts_as_one_however_it_is_written() {
    let folded = |text: &str| Address::parse(text).unwrap().folded();
    assert_eq!(folded("Lin.Mei+a@Example.org"), folded("lin.mei+b@example.ORG"));
    assert_ne!(folded("lin@example.org"), folded("mei@example.org"));
}

#[test]
fn an_address_prints_nothing_of_itself() {
    let address = Address::parse("lin@example.org").unwrap();
    assert!(!format!("{address:?}").contains("example"));
}
