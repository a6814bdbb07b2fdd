//! What an account that registers has in common with others, as two hashes: who invited it, where its mail goes.
//!
//! An attacker who buys a domain, or talks one member into inviting, has all accounts that come of it weigh as one. Millions have their mail at
//! a large public provider: that is nothing to have in common.

use rempart_domain::{AccountId, Provenance, Sensitive};

use crate::Keyring;

/// Providers that give addresses to anybody and are used by so many that a crowd of strangers there says nothing. Sorted.
const PUBLIC_PROVIDERS: [&str; 36] = [
    "126.com",
    "139.com",
    "163.com",
    "aliyun.com",
    "aol.com",
    "bbox.fr",
    "foxmail.com",
    "free.fr",
    "gmail.com",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hotmail.com",
    "hotmail.fr",
    "icloud.com",
    "laposte.net",
    "live.com",
    "live.fr",
    "mail.ru",
    "me.com",
    "msn.com",
    "orange.fr",
    "outlook.com",
    "outlook.fr",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "sfr.fr",
    "sina.com",
    "sohu.com",
    "wanadoo.fr",
    "web.de",
    "yahoo.com",
    "yahoo.fr",
    "yandex.ru",
];

/// Of somebody who registers, invited by that member, with an address that they opened a letter at. Of one that is only claimed nothing may be
/// made: strangers would choose whom they weigh with.
pub fn provenance(keyring: &Keyring, inviter: Option<AccountId>, email: Option<&Sensitive<String>>) -> Provenance {
    let hash = |table: &'static str, text: &str| {
        let [a, b, c, d, ..] = keyring.lookup_hash(table, text);
        u32::from_le_bytes([a, b, c, d]).max(1)
    };
    let address = email.map(|email| email.expose().trim().to_lowercase());
    let domain = address.as_deref().and_then(|address| address.rsplit_once('@')).map(|(_, domain)| owned_part(domain));
    Provenance {
        inviter: inviter.map_or(0, |account| hash("inviter", &account.to_string())),
        mail_domain: domain
            .filter(|domain| PUBLIC_PROVIDERS.binary_search(domain).is_err())
            .map_or(0, |domain| hash("mail domain", domain)),
    }
}

/// The part of a domain that somebody bought, as far as its shape tells: two labels, or three where the second is a short word under a
/// country (`co.uk`, `com.cn`). So the names below a domain of one's own are one.
fn owned_part(domain: &str) -> &str {
    let from_end = |labels: usize| {
        let mut dots = domain.rmatch_indices('.').map(|(at, _)| at);
        dots.nth(labels - 1).and_then(|at| domain.get(at + 1..)).unwrap_or(domain)
    };
    let two = from_end(2);
    match two.split_once('.') {
        Some((second, country)) if country.len() == 2 && second.len() <= 3 => from_end(3),
        _ => two,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(keyring: &Keyring, email: &str) -> u32 {
        provenance(keyring, None, Some(&Sensitive::new(email.to_owned()))).mail_domain
    }

    #[test]
    fn a_domain_is_the_one_that_was_bought() {
        for (domain, owned) in [
            ("evil.example", "evil.example"),
            ("a1.b2.evil.com", "evil.com"),
            ("mail.dept.ox.ac.uk", "ox.ac.uk"),
            ("x.company.com.cn", "company.com.cn"),
            ("qq.com", "qq.com"),
            ("localhost", "localhost"),
            ("", ""),
        ] {
            assert_eq!(owned_part(domain), owned);
        }
    }

    #[test]
    fn neighbours_share_a_number_and_who_has_mail_where_all_have_it_shares_none() {
        let keyring = Keyring::in_memory().unwrap();
        assert!(PUBLIC_PROVIDERS.is_sorted(), "it is searched by halves");
        assert_eq!(of(&keyring, "A@X1.Evil.example "), of(&keyring, "b@x2.evil.example"));
        assert_ne!(of(&keyring, "a@evil.example"), of(&keyring, "a@good.example"));
        assert_ne!(of(&keyring, "a@evil.example"), of(&Keyring::in_memory().unwrap(), "a@evil.example"), "keyed");
        assert_eq!((of(&keyring, "a@GMAIL.com"), of(&keyring, "nobody")), (0, 0));
        let invited = |account| provenance(&keyring, Some(AccountId::from_bits(account)), None);
        assert_eq!(invited(7), invited(7));
        assert_ne!(invited(7).inviter, invited(8).inviter);
        assert_eq!(provenance(&keyring, None, None), Provenance::default());
        let both = Provenance { inviter: 0xdead_beef, mail_domain: 7 };
        assert_eq!(Provenance::from_bits(both.bits()), both);
    }
}
