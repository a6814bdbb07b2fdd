//! The queue in a few bytes a place, written now and then so that a restart keeps the order of those who have not come by again.

use rempart_domain::Millis;

use super::{Spot, TicketQueue, Turn};

const VERSION: u8 = 1;
const WAITS_PLAIN: u8 = 0;
const WAITS_PROVED: u8 = 1;
const TURN: u8 = 2;
const TURN_FREE: u8 = 3;
const ROW_LEN: usize = 17;

impl TicketQueue {
    /// The queue as bytes, if it changed since the last time. 17 bytes a place or turn.
    pub fn take_snapshot(&mut self, now: Millis) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let mut bytes = Vec::with_capacity(1 + ROW_LEN * (self.spots.len() + self.turns.len()));
        bytes.push(VERSION);
        let mut push = |kind: u8, id: u64, one: u32, two: u32| {
            bytes.push(kind);
            bytes.extend_from_slice(&id.to_le_bytes());
            bytes.extend_from_slice(&one.to_le_bytes());
            bytes.extend_from_slice(&two.to_le_bytes());
        };
        for (id, spot) in &self.spots {
            push(if spot.is_proved { WAITS_PROVED } else { WAITS_PLAIN }, *id, spot.cohort, spot.minute);
        }
        for (id, turn) in &self.turns {
            let left = u32::try_from(turn.until.since(now).0).unwrap_or(u32::MAX);
            push(if turn.is_free_of_name { TURN_FREE } else { TURN }, *id, left, u32::from(turn.tries));
        }
        Some(bytes)
    }

    /// Takes a snapshot over. Everybody in it counts as present now; what it does not hold comes with its holder.
    pub fn restore(&mut self, bytes: &[u8], now: Millis) {
        let Some((&VERSION, rows)) = bytes.split_first() else { return };
        for row in rows.chunks_exact(ROW_LEN) {
            let Some((&kind, row)) = row.split_first() else { continue };
            let Some((id, row)) = row.split_first_chunk() else { continue };
            let Some((one, row)) = row.split_first_chunk() else { continue };
            let Some((two, _)) = row.split_first_chunk() else { continue };
            let (id, one, two) = (u64::from_le_bytes(*id), u32::from_le_bytes(*one), u32::from_le_bytes(*two));
            match kind {
                WAITS_PLAIN | WAITS_PROVED if self.spots.len() < self.limits.len_max => {
                    let spot =
                        Spot { is_proved: kind == WAITS_PROVED, cohort: one, minute: two, seen: now, settles: now };
                    if self.spots.insert(id, spot).is_none() {
                        let salt = self.next_random();
                        self.line(spot.is_proved).insert(one, two, id, salt);
                    }
                }
                TURN | TURN_FREE if self.turns.len() < self.limits.let_in_max => {
                    let until = now + Millis(u64::from(one)).min(self.limits.turn_lasts);
                    let tries = u8::try_from(two).unwrap_or(u8::MAX);
                    self.turns.insert(id, Turn { until, tries, is_busy: false, is_free_of_name: kind == TURN_FREE });
                }
                _ => {}
            }
        }
        for line in [&mut self.proved, &mut self.plain] {
            line.measure();
            line.forget_joined();
        }
    }
}
