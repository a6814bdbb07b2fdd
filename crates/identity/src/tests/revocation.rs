//! Revocation and standing: what was ended stays ended, and nothing done in an incident buys priority.

use std::thread;

use rempart_domain::{Credential, Principal, Role};

use super::*;
use crate::{AccountFacts, ChangedBy, Earned, Ended, IdentityError, RevocationLimits, Revocations};

const ME: AccountId = AccountId::from_bits(1);
const INCIDENT: UnixSeconds = UnixSeconds(1_700_000_000);

fn ticket(session: u64) -> TicketFields {
    TicketFields { account: ME, session: SessionId::from_bits(session), account_epoch: 0, global_epoch: 0, ..fields() }
}

fn principal(carried_standing: Standing) -> Principal {
    Principal { account: Some(ME), carried_standing, ..Principal::VISITOR }
}

fn rise(at: i64, before: Standing) -> ChangedBy {
    ChangedBy::Rules { at: UnixSeconds(at), before }
}

fn facts(standing: Standing) -> AccountFacts {
    AccountFacts { epoch: 0, standing, role: Role::None, earned: None }
}

#[test]
fn a_later_epoch_ends_the_sessions_before_it_and_never_goes_back() {
    let revocations = Revocations::default();
    assert!(revocations.is_current(&ticket(1)));
    revocations.set_epoch(ME, 2).unwrap();
    assert!(!revocations.is_current(&ticket(1)));
    assert!(!revocations.is_current(&TicketFields { account_epoch: 1, ..ticket(1) }));
    assert!(revocations.is_current(&TicketFields { account_epoch: 2, ..ticket(1) }));
    assert!(revocations.is_current(&TicketFields { account_epoch: 3, ..ticket(1) }), "another node knew first");
    revocations.set_epoch(ME, 1).unwrap();
    assert_eq!(revocations.epoch_of(ME), 2);
    assert!(revocations.is_current(&TicketFields { account: account(2), ..ticket(1) }));
}

#[test]
fn the_global_epoch_ends_everything_before_it() {
    let revocations = Revocations::default();
    assert_eq!(revocations.end_all(), 1);
    assert!(!revocations.is_current(&ticket(1)));
    assert!(revocations.is_current(&TicketFields { global_epoch: revocations.global_epoch(), ..ticket(1) }));
    revocations.set_global_epoch(0);
    assert_eq!(revocations.global_epoch(), 1);
}

#[test]
fn an_ended_session_is_remembered_until_its_ticket_expires() {
    let revocations = Revocations::default();
    assert_eq!(revocations.end_session(ME, ticket(1).session, EXPIRES).unwrap(), Ended::Session);
    assert_eq!(revocations.end_session(ME, ticket(1).session, EXPIRES).unwrap(), Ended::Session);
    assert_eq!(revocations.ended_len(), 1);
    assert!(!revocations.is_current(&ticket(1)));
    assert!(revocations.is_current(&ticket(2)));
    revocations.tick(UnixSeconds(EXPIRES.0 - 1));
    assert!(!revocations.is_current(&ticket(1)));
    revocations.tick(EXPIRES);
    assert_eq!(revocations.ended_len(), 0);
}

#[test]
fn past_its_bound_ending_a_session_ends_all_of_that_account() {
    let limits = RevocationLimits { ended_per_account_max: 3, ..RevocationLimits::default() };
    let revocations = Revocations::new(limits);
    for session in 0..3 {
        assert_eq!(revocations.end_session(ME, SessionId::from_bits(session), EXPIRES).unwrap(), Ended::Session);
    }
    let ended = revocations.end_session(ME, SessionId::from_bits(3), EXPIRES).unwrap();
    assert_eq!(ended, Ended::Account { epoch: 1 });
    assert!(!revocations.is_current(&ticket(3)) && !revocations.is_current(&ticket(99)));
    assert!(revocations.is_current(&TicketFields { account: account(2), ..ticket(3) }));
    assert_eq!(revocations.ended_len(), 3);
}

#[test]
fn past_the_total_bound_ending_a_session_ends_all_of_that_account() {
    let limits = RevocationLimits { ended_len_max: 2, ..RevocationLimits::default() };
    let revocations = Revocations::new(limits);
    for number in 0..2 {
        revocations.end_session(account(number), SessionId::from_bits(7), EXPIRES).unwrap();
    }
    let ended = revocations.end_session(account(5), SessionId::from_bits(7), EXPIRES).unwrap();
    assert_eq!(ended, Ended::Account { epoch: 1 });
}

#[test]
fn full_tables_refuse_and_say_so() {
    let limits = RevocationLimits { accounts_len_max: 1, demoted_len_max: 1, ..RevocationLimits::default() };
    let revocations = Revocations::new(limits);
    revocations.set_epoch(ME, 1).unwrap();
    revocations.set_epoch(ME, 2).unwrap();
    assert!(matches!(revocations.set_epoch(account(2), 1), Err(IdentityError::Full { len_max: 1, .. })));
    revocations.demote(ME, LATER).unwrap();
    revocations.demote(ME, EXPIRES).unwrap();
    assert!(revocations.demote(account(2), LATER).is_err());
    assert_eq!((revocations.accounts_len(), revocations.demoted_len()), (1, 1));
}

#[test]
fn a_session_that_nothing_confirmed_counts_as_a_newcomers_whatever_the_row_says() {
    let revocations = Revocations::default();
    let unsure = Principal { is_unsure: true, ..principal(Standing::Trusted) };
    assert_eq!(revocations.band(&unsure), Standing::Newcomer);
    revocations.set_standing(ME, Standing::Member, ChangedBy::Operator).unwrap();
    assert_eq!(revocations.band(&unsure), Standing::Newcomer);
    assert_eq!(revocations.band(&principal(Standing::Newcomer)), Standing::Member);
}

#[test]
fn a_role_taken_away_is_gone_at_once() {
    let revocations = Revocations::default();
    assert_eq!(revocations.principal_of_session(&ticket(1)).unwrap().role, Role::None, "a password alone");
    let flags = crate::TicketFlags::OPERATOR.with(crate::TicketFlags::SECOND_FACTOR);
    let ticket = |n| crate::TicketFields { flags, ..ticket(n) };
    let operator = revocations.principal_of_session(&ticket(1)).unwrap();
    assert_eq!((operator.role, operator.credential), (Role::Operator, Credential::Session(ticket(1).session)));
    revocations.set_role(ME, Role::None).unwrap();
    assert_eq!(revocations.principal_of_session(&ticket(1)).unwrap().role, Role::None);
    revocations.set_epoch(ME, 1).unwrap();
    assert_eq!(revocations.principal_of_session(&ticket(1)), None);
}

#[test]
fn a_deleted_account_is_served_by_nothing_it_ever_held() {
    let revocations = Revocations::default();
    revocations.delete_account(ME).unwrap();
    assert!(!revocations.is_current(&ticket(1)));
    assert_eq!(revocations.band(&principal(Standing::Trusted)), Standing::Suspended);
}

#[test]
fn the_band_is_what_is_carried_until_something_newer_is_known() {
    let revocations = Revocations::default();
    assert_eq!(revocations.band(&Principal::VISITOR), Standing::Visitor);
    assert_eq!(revocations.band(&principal(Standing::Member)), Standing::Member);
    revocations.set_epoch(ME, 1).unwrap();
    assert_eq!(revocations.band(&principal(Standing::Member)), Standing::Member, "an epoch says nothing of standing");
    revocations.set_standing(ME, Standing::Suspended, ChangedBy::Operator).unwrap();
    assert_eq!(revocations.band(&principal(Standing::Member)), Standing::Suspended);
    assert_eq!(revocations.standing_of(ME), Some(Standing::Suspended));
    assert_eq!(revocations.standing_of(account(2)), None);
}

#[test]
fn what_is_earned_in_an_incident_counts_after_it() {
    let revocations = Revocations::default();
    revocations.freeze(INCIDENT);
    revocations.set_standing(ME, Standing::Member, rise(INCIDENT.0, Standing::Newcomer)).unwrap();
    // A session issued now would carry the new standing; it buys nothing either.
    assert_eq!(revocations.band(&principal(Standing::Member)), Standing::Newcomer);
    assert_eq!(revocations.standing_of(ME), Some(Standing::Member));
    revocations.thaw();
    assert_eq!(revocations.band(&principal(Standing::Newcomer)), Standing::Member);
}

#[test]
fn what_was_earned_before_an_incident_counts_in_it() {
    let revocations = Revocations::default();
    revocations.set_standing(ME, Standing::Member, rise(INCIDENT.0 - 1, Standing::Newcomer)).unwrap();
    revocations.freeze(INCIDENT);
    assert_eq!(revocations.band(&principal(Standing::Newcomer)), Standing::Member);
}

#[test]
fn a_freeze_may_be_set_back_to_when_the_attack_really_began() {
    let revocations = Revocations::default();
    revocations.set_standing(ME, Standing::Member, rise(INCIDENT.0 - 60, Standing::Newcomer)).unwrap();
    revocations.freeze(INCIDENT);
    assert_eq!(revocations.band(&principal(Standing::Member)), Standing::Member);
    revocations.freeze(UnixSeconds(INCIDENT.0 - 120));
    revocations.freeze(INCIDENT);
    assert_eq!(revocations.band(&principal(Standing::Member)), Standing::Newcomer, "the earlier of two freezes holds");
}

#[test]
fn a_freeze_survives_a_restart_with_the_rows() {
    let revocations = Revocations::default();
    let earned = Some(Earned { at: UnixSeconds(INCIDENT.0 + 5), before: Standing::Newcomer });
    revocations.load([(ME, AccountFacts { earned, ..facts(Standing::Member) })]).unwrap();
    revocations.freeze(INCIDENT);
    assert_eq!(revocations.band(&principal(Standing::Member)), Standing::Newcomer);
}

#[test]
fn two_rises_in_one_incident_count_as_none() {
    let revocations = Revocations::default();
    revocations.freeze(INCIDENT);
    revocations.set_standing(ME, Standing::Member, rise(INCIDENT.0 + 1, Standing::Newcomer)).unwrap();
    revocations.set_standing(ME, Standing::Trusted, rise(INCIDENT.0 + 2, Standing::Member)).unwrap();
    assert_eq!(revocations.band(&principal(Standing::Trusted)), Standing::Newcomer);
}

#[test]
fn a_fall_counts_at_once_and_falling_to_rise_again_buys_nothing() {
    let revocations = Revocations::default();
    revocations.load([(ME, facts(Standing::Member))]).unwrap();
    revocations.freeze(INCIDENT);
    revocations.set_standing(ME, Standing::Newcomer, rise(INCIDENT.0 + 1, Standing::Member)).unwrap();
    assert_eq!(revocations.band(&principal(Standing::Member)), Standing::Newcomer);
    revocations.set_standing(ME, Standing::Trusted, rise(INCIDENT.0 + 2, Standing::Newcomer)).unwrap();
    assert_eq!(revocations.band(&principal(Standing::Member)), Standing::Newcomer);
}

#[test]
fn an_operator_s_hand_counts_in_an_incident_too() {
    let revocations = Revocations::default();
    revocations.freeze(INCIDENT);
    revocations.set_standing(ME, Standing::Trusted, ChangedBy::Operator).unwrap();
    assert_eq!(revocations.band(&principal(Standing::Newcomer)), Standing::Trusted);
}

#[test]
fn a_demotion_is_one_step_on_top_of_the_freeze_and_ends_by_itself() {
    let revocations = Revocations::default();
    revocations.freeze(INCIDENT);
    revocations.demote(ME, UnixSeconds(INCIDENT.0 + 10)).unwrap();
    revocations.demote(ME, UnixSeconds(INCIDENT.0 + 5)).unwrap();
    assert_eq!(revocations.band(&principal(Standing::Trusted)), Standing::Member, "a second one does not stack");
    revocations.tick(UnixSeconds(INCIDENT.0 + 9));
    assert_eq!(revocations.band(&principal(Standing::Trusted)), Standing::Member, "nor does it shorten");
    revocations.tick(UnixSeconds(INCIDENT.0 + 10));
    assert_eq!(revocations.band(&principal(Standing::Trusted)), Standing::Trusted);
    revocations.demote(ME, EXPIRES).unwrap();
    assert!(revocations.reinstate(ME) && !revocations.reinstate(ME));
    assert_eq!(revocations.demoted_len(), 0);
}

#[test]
fn a_suspended_account_is_not_lifted_by_a_demotion_or_a_freeze() {
    let revocations = Revocations::default();
    revocations.load([(ME, facts(Standing::Suspended))]).unwrap();
    revocations.demote(ME, EXPIRES).unwrap();
    revocations.freeze(INCIDENT);
    assert_eq!(revocations.band(&principal(Standing::Member)), Standing::Suspended);
}

#[test]
fn freezing_and_thawing_do_not_touch_the_rows() {
    let revocations = Revocations::default();
    revocations.load((0..100_000).map(|number| (account(number), facts(Standing::Member)))).unwrap();
    assert_eq!(revocations.accounts_len(), 100_000);
    // Every shard is held by a reader: whatever takes a write lock would never return.
    let held = revocations.hold_for_reading();
    revocations.freeze(INCIDENT);
    assert!(revocations.is_frozen());
    revocations.thaw();
    drop(held);
}

#[test]
fn readers_and_writers_together_keep_the_counts_true() {
    let revocations = Revocations::default();
    thread::scope(|scope| {
        for writer in 0..4_u64 {
            let revocations = &revocations;
            scope.spawn(move || {
                for number in 0..2_000_u64 {
                    let id = account(number % 500);
                    revocations.set_epoch(id, 1).unwrap();
                    let session = SessionId::from_bits(writer << 32 | number);
                    revocations.end_session(id, session, EXPIRES).unwrap();
                    revocations.band(&Principal { account: Some(id), ..Principal::VISITOR });
                }
            });
        }
    });
    assert_eq!((revocations.accounts_len(), revocations.ended_len()), (500, 8_000));
    revocations.tick(EXPIRES);
    assert_eq!(revocations.ended_len(), 0);
}
