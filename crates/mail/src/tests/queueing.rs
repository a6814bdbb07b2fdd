//! The queue alone, with time as an argument.

use rempart_domain::{Millis, Sensitive};

use crate::message::Envelope;
use crate::queue::{Outcome, Queue, Taken};
use crate::{Address, Held, Mail, MailLane, MailLimits};

const HOUR: Millis = Millis::from_secs(3600);

fn mail(to: &str, lane: MailLane) -> Mail {
    Mail {
        to: Address::parse(to).unwrap(),
        lane,
        subject: "s".into(),
        text: Sensitive::new("t".into()),
        language: "en",
        lasts: HOUR,
    }
}

fn key(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

fn offer(queue: &mut Queue, now: u64, to: &str, lane: MailLane) -> Result<(), Held> {
    let mail = mail(to, lane);
    let keys = (key(&mail.to.folded()), key(mail.to.domain()));
    queue.offer(Millis(now), mail, keys)
}

fn take(queue: &mut Queue, now: u64) -> Option<Envelope> {
    match queue.take(Millis(now)).0 {
        Taken::Mail(envelope) => Some(*envelope),
        _ => None,
    }
}

fn wide() -> MailLimits {
    MailLimits { queue_len: 100, per_minute: 100_000, per_domain_per_minute: 100_000, per_address_per_hour: 1000 }
}

#[test]
fn accounts_go_first_and_registrations_do_not_starve() {
    let mut queue = Queue::new(wide());
    for index in 0..8 {
        offer(&mut queue, 0, &format!("r{index}@a.org"), MailLane::Registration).unwrap();
        offer(&mut queue, 0, &format!("a{index}@b.org"), MailLane::Account).unwrap();
    }
    let order: String = std::iter::from_fn(|| take(&mut queue, 0))
        .map(|envelope| if envelope.mail.lane == MailLane::Account { 'a' } else { 'r' })
        .collect();
    assert_eq!(order, "aaaraaaraarrrrrr");
}

#[test]
fn one_address_gets_few_mails_whoever_asks() {
    let mut queue = Queue::new(MailLimits { per_address_per_hour: 3, ..wide() });
    let sent = (0..50).filter(|n| offer(&mut queue, *n, "Victim+x@a.org", MailLane::Account).is_ok()).count();
    assert_eq!(sent, 3);
    assert!(matches!(offer(&mut queue, 50, "victim@a.org", MailLane::Registration), Err(Held::Address { .. })));
    assert!(offer(&mut queue, 50, "other@a.org", MailLane::Account).is_ok());
    assert!(offer(&mut queue, 1_200_100, "victim@a.org", MailLane::Account).is_ok(), "a third of an hour later");
}

#[test]
fn one_domain_takes_half_a_lane_and_its_share_of_the_minute() {
    let mut queue = Queue::new(MailLimits { queue_len: 100, per_domain_per_minute: 40, ..wide() });
    let queued =
        (0..200).filter(|n| offer(&mut queue, 0, &format!("u{n}@evil.org"), MailLane::Account).is_ok()).count();
    assert_eq!(queued, 50);
    offer(&mut queue, 0, "lin@good.org", MailLane::Account).unwrap();
    let first: Vec<_> = std::iter::from_fn(|| take(&mut queue, 0)).map(|e| e.mail.to.domain().to_owned()).collect();
    assert_eq!(first.iter().filter(|domain| *domain == "evil.org").count(), 10, "a quarter of its minute at once");
    assert_eq!(first.last().unwrap(), "good.org", "the ones behind it do not wait");
    assert!(take(&mut queue, 1499).is_none());
    assert!(take(&mut queue, 1500).is_some(), "then one in 1.5 s");
}

#[test]
fn the_total_holds_and_says_when_to_look_again() {
    let mut queue = Queue::new(MailLimits { per_minute: 4, ..wide() });
    for index in 0..4 {
        offer(&mut queue, 0, &format!("u{index}@d{index}.org"), MailLane::Account).unwrap();
    }
    assert!(take(&mut queue, 0).is_some());
    let Taken::WaitFor(wait) = queue.take(Millis(0)).0 else { panic!("the minute's share is used") };
    assert_eq!(wait, Millis(15_000));
    assert!(take(&mut queue, 15_000).is_some());
}

#[test]
fn what_failed_comes_again_ever_later_until_it_is_worthless() {
    let mut queue = Queue::new(wide());
    offer(&mut queue, 0, "lin@a.org", MailLane::Account).unwrap();
    let (mut now, mut tries) = (0, 0);
    loop {
        match queue.take(Millis(now)).0 {
            Taken::Mail(envelope) => {
                tries += 1;
                queue.settle(Millis(now), *envelope, &Outcome::Later("no answer in time"));
            }
            Taken::WaitFor(wait) => now += wait.0,
            Taken::Nothing => break,
        }
    }
    assert_eq!(tries, 8, "after 0, 10 s, 50 s, 3.5 min, 14 min, 29 min, 44 min, 59 min");
    assert!(now <= HOUR.0);
}

#[test]
fn what_was_refused_for_good_does_not_come_again() {
    let mut queue = Queue::new(wide());
    offer(&mut queue, 0, "lin@a.org", MailLane::Account).unwrap();
    let envelope = take(&mut queue, 0).unwrap();
    queue.settle(Millis(0), envelope, &Outcome::Never("the mail server refused it"));
    assert!(matches!(queue.take(Millis(0)).0, Taken::Nothing));
}

#[test]
fn a_worthless_mail_is_counted_and_not_sent() {
    let mut queue = Queue::new(wide());
    offer(&mut queue, 0, "lin@a.org", MailLane::Account).unwrap();
    let (taken, expired) = queue.take(HOUR);
    assert!(matches!(taken, Taken::Nothing));
    assert_eq!(expired, 1);
}
