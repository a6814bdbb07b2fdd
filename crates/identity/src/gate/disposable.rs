//! Mail providers whose letters are thrown away: a list from outside, kept as data.
//!
//! Source: <https://github.com/disposable-email-domains/disposable-email-domains>, the list as the Python package
//! `disposable-email-domains` 0.0.293 ships it, under the MIT licence. What is not in the list counts as a good address.

const LIST: &str = include_str!("../../data/disposable-domains.txt");

/// Whether a domain, or one that it is under, is such a provider's. In lower case.
pub fn is_disposable(domain: &str) -> bool {
    let mut rest = Some(domain);
    while let Some(name) = rest.filter(|name| name.contains('.')) {
        if is_listed(name) {
            return true;
        }
        rest = name.split_once('.').map(|(_, parent)| parent);
    }
    false
}

/// The list is sorted: a search by halves over its bytes.
fn is_listed(name: &str) -> bool {
    let (mut low, mut high) = (0, LIST.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let begin = LIST.get(..middle).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let line = LIST.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        match line.cmp(name) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = begin + line.len() + 1,
            std::cmp::Ordering::Greater => high = begin,
        }
    }
    false
}
