//! A pushdown automaton over bytes that takes exactly the beginnings of one JSON object: what keeps `response_format: json_object`
//! whole, whatever the model would rather say.
//!
//! What must stay true: every text it calls done parses with a strict reader (RFC 8259, and as `serde_json` has it: paired surrogates,
//! numbers within range, bounded depth), as an object; from every state some byte goes on. It is `Copy`, so that a token is tried on a
//! copy. Not done: duplicate names are not refused.

/// Deepest nesting; readers in common use take 128 or more.
const DEPTH_MAX: u8 = 60;
/// White space in a row; models that lost the thread fill pages with it.
const WHITE_MAX: u8 = 24;
/// Digits of the whole part, of the fraction, and of the exponent: no number leaves the range of a double.
const DIGITS_MAX: u8 = 15;
const EXPONENT_DIGITS_MAX: u8 = 2;

/// Where in a text we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the object.
    Start,
    /// After `{`: a name or `}`.
    NameOrEnd,
    /// After `,` in an object: a name.
    Name,
    /// After a name: `:`.
    Colon,
    /// After `:`, or `,` in an array: a value.
    Value,
    /// After `[`: a value or `]`.
    ValueOrEnd,
    /// After a value: `,` or the end of what holds it.
    AfterValue,
    /// Within a string.
    Text { is_name: bool, part: Part },
    /// Within a number.
    Number { part: Digits, len: u8 },
    /// Within `true`, `false`, `null`: what is still to come.
    Word(&'static [u8]),
    /// The object is whole.
    Done,
}

/// Where in a string we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Between characters.
    Between,
    /// So many bytes of a character to come, the next within these bounds.
    Character {
        left: u8,
        from: u8,
        to: u8,
    },
    /// After `\`.
    Escape,
    /// Within `\uXXXX`: digits so far and their value. `is_low`: it must be the second half of a pair.
    Hex {
        len: u8,
        value: u16,
        is_low: bool,
    },
    /// After the first half of a surrogate pair: `\`, then `u`.
    LowBackslash,
    LowU,
}

/// Where in a number we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digits {
    /// After `-`.
    Sign,
    /// After a leading zero.
    Zero,
    Whole,
    /// After `.`.
    Point,
    Fraction,
    /// After `e`.
    Exponent,
    /// After the sign of the exponent.
    ExponentSign,
    ExponentDigits,
}

/// See the file's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonObject {
    state: State,
    /// One bit for each level, the innermost lowest: 1 is an array.
    arrays: u64,
    depth: u8,
    white: u8,
}

impl JsonObject {
    /// Nothing has come yet.
    pub(crate) const fn new() -> Self {
        Self { state: State::Start, arrays: 0, depth: 0, white: 0 }
    }

    /// Whether the object is whole.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Goes on with `bytes`; false, and in no state to be used, when they do not fit. An empty text does not fit: it goes nowhere.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        !bytes.is_empty() && bytes.iter().all(|byte| self.push_byte(*byte))
    }

    fn push_byte(&mut self, byte: u8) -> bool {
        let next = match self.state {
            State::Text { is_name, part } => return self.push_text(byte, is_name, part),
            State::Number { part, len } => return self.push_number(byte, part, len),
            State::Word(rest) => match rest.split_first() {
                Some((wanted, [])) if *wanted == byte => State::AfterValue,
                Some((wanted, rest)) if *wanted == byte => State::Word(rest),
                _ => return false,
            },
            State::Done => return false,
            // An answer begins with its object: white space before it would go on for ever in a poor model.
            State::Start if byte == b'{' => return self.open(false),
            State::Start => return false,
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {
                self.white += 1;
                return self.white <= WHITE_MAX;
            }
            state => {
                self.white = 0;
                return self.push_structure(byte, state);
            }
        };
        self.state = next;
        true
    }

    fn push_structure(&mut self, byte: u8, state: State) -> bool {
        let next = match (state, byte) {
            (State::NameOrEnd | State::Name, b'"') => State::Text { is_name: true, part: Part::Between },
            (State::NameOrEnd, b'}') | (State::ValueOrEnd, b']') => return self.close(),
            (State::Colon, b':') => State::Value,
            (State::AfterValue, b',') => {
                if self.is_in_array() {
                    State::Value
                } else {
                    State::Name
                }
            }
            (State::AfterValue, b']') if self.is_in_array() => return self.close(),
            (State::AfterValue, b'}') if !self.is_in_array() => return self.close(),
            (State::Value | State::ValueOrEnd, byte) => match byte {
                b'{' => return self.open(false),
                b'[' => return self.open(true),
                b'"' => State::Text { is_name: false, part: Part::Between },
                b'-' => State::Number { part: Digits::Sign, len: 0 },
                b'0' => State::Number { part: Digits::Zero, len: 1 },
                b'1'..=b'9' => State::Number { part: Digits::Whole, len: 1 },
                b't' => State::Word(b"rue"),
                b'f' => State::Word(b"alse"),
                b'n' => State::Word(b"ull"),
                _ => return false,
            },
            _ => return false,
        };
        self.state = next;
        true
    }

    fn is_in_array(&self) -> bool {
        self.arrays & 1 == 1
    }

    fn open(&mut self, is_array: bool) -> bool {
        if self.depth >= DEPTH_MAX {
            return false;
        }
        self.depth += 1;
        self.arrays = self.arrays << 1 | u64::from(is_array);
        self.state = if is_array { State::ValueOrEnd } else { State::NameOrEnd };
        true
    }

    fn close(&mut self) -> bool {
        self.depth = self.depth.saturating_sub(1);
        self.arrays >>= 1;
        self.state = if self.depth == 0 { State::Done } else { State::AfterValue };
        true
    }

    fn push_text(&mut self, byte: u8, is_name: bool, part: Part) -> bool {
        let next = match (part, byte) {
            (Part::Between, b'"') => {
                self.state = if is_name { State::Colon } else { State::AfterValue };
                return true;
            }
            (Part::Between, b'\\') => Part::Escape,
            (Part::Between, 0x20..=0x7f) => Part::Between,
            (Part::Between, byte) => match first_of_character(byte) {
                Some(part) => part,
                None => return false,
            },
            (Part::Character { left, from, to }, byte) if (from..=to).contains(&byte) => match left {
                1 => Part::Between,
                _ => Part::Character { left: left - 1, from: 0x80, to: 0xbf },
            },
            (Part::Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Part::Between,
            (Part::Escape, b'u') => Part::Hex { len: 0, value: 0, is_low: false },
            (Part::LowBackslash, b'\\') => Part::LowU,
            (Part::LowU, b'u') => Part::Hex { len: 0, value: 0, is_low: true },
            (Part::Hex { len, value, is_low }, byte) => match hex(byte, len, value, is_low) {
                Some(part) => part,
                None => return false,
            },
            _ => return false,
        };
        self.state = State::Text { is_name, part: next };
        true
    }

    fn push_number(&mut self, byte: u8, part: Digits, len: u8) -> bool {
        let more = |part, most: u8| (len < most).then_some((part, len + 1));
        let next = match (part, byte) {
            (Digits::Sign, b'0') => Some((Digits::Zero, 1)),
            (Digits::Sign, b'1'..=b'9') => Some((Digits::Whole, 1)),
            (Digits::Whole, b'0'..=b'9') => more(Digits::Whole, DIGITS_MAX),
            (Digits::Zero | Digits::Whole, b'.') => Some((Digits::Point, 0)),
            (Digits::Point | Digits::Fraction, b'0'..=b'9') => more(Digits::Fraction, DIGITS_MAX),
            (Digits::Zero | Digits::Whole | Digits::Fraction, b'e' | b'E') => Some((Digits::Exponent, 0)),
            (Digits::Exponent, b'+' | b'-') => Some((Digits::ExponentSign, 0)),
            (Digits::Exponent | Digits::ExponentSign | Digits::ExponentDigits, b'0'..=b'9') => {
                more(Digits::ExponentDigits, EXPONENT_DIGITS_MAX)
            }
            (Digits::Zero | Digits::Whole | Digits::Fraction | Digits::ExponentDigits, _) => {
                // A number ends where something else begins.
                self.state = State::AfterValue;
                return self.push_byte(byte);
            }
            _ => None,
        };
        if let Some((part, len)) = next {
            self.state = State::Number { part, len };
        }
        next.is_some()
    }
}

/// What a byte that begins a longer character asks for (Unicode, table 3-7); `None` for one that begins nothing.
fn first_of_character(byte: u8) -> Option<Part> {
    let (left, from, to) = match byte {
        0xc2..=0xdf => (1, 0x80, 0xbf),
        0xe0 => (2, 0xa0, 0xbf),
        0xed => (2, 0x80, 0x9f),
        0xe1..=0xef => (2, 0x80, 0xbf),
        0xf0 => (3, 0x90, 0xbf),
        0xf1..=0xf3 => (3, 0x80, 0xbf),
        0xf4 => (3, 0x80, 0x8f),
        _ => return None,
    };
    Some(Part::Character { left, from, to })
}

/// One more digit of `\uXXXX`. Halves of a surrogate pair come in pairs only.
fn hex(byte: u8, len: u8, value: u16, is_low: bool) -> Option<Part> {
    let digit = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok())?;
    let value = value << 4 | digit;
    if len < 3 {
        // Refused as soon as no digit could make it right: the second half of a pair is DC00 to DFFF, and stands nowhere else.
        let fits = match len {
            0 => !is_low || value == 0xd,
            1 => (0xdc..=0xdf).contains(&value) == is_low,
            _ => true,
        };
        return fits.then_some(Part::Hex { len: len + 1, value, is_low });
    }
    match value {
        0xd800..=0xdbff => Some(Part::LowBackslash),
        _ => Some(Part::Between),
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
