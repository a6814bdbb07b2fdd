//! Every limit of the gateway: a name, a default, a meaning. Configuration's `[limits]` is generated from this list, so a limit
//! that is not here does not exist.
//!
//! What must stay true: no queue, map or buffer of this crate is bounded by a number that is not named here.

/// One limit, for `config/example.toml` and `check-config`.
#[derive(Debug, Clone, Copy)]
pub struct LimitSpec {
    /// The key under `[limits]`.
    pub name: &'static str,
    /// Its default.
    pub default: u64,
    /// Its meaning, with the unit.
    pub meaning: &'static str,
}

macro_rules! limits {
    ($($name:ident = $default:literal, $meaning:literal;)+) => {
        /// The limits in force. All are plain numbers; the unit is the last word of the name.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $(#[doc = $meaning] pub $name: u64,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// Every limit, in the order of this file.
            pub const SPECS: &'static [LimitSpec] =
                &[$(LimitSpec { name: stringify!($name), default: $default, meaning: $meaning },)+];

            /// Sets a limit by its name; `false` if there is none of that name.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($name) => { self.$name = value; true })+
                    _ => false,
                }
            }

            /// Reads a limit by its name.
            pub fn get(&self, name: &str) -> Option<u64> {
                match name {
                    $(stringify!($name) => Some(self.$name),)+
                    _ => None,
                }
            }
        }
    };
}

limits! {
    connections = 8192, "open connections of the public listeners together";
    connections_per_source = 512, "open connections from one source (an IPv4 address, an IPv6 /64)";
    connections_reserved_percent = 20, "share of the public connections that is kept for networks where members were seen lately";
    refusals_held = 8192, "refusals to strangers that are held back at once; beyond it the greediest loses its connection";
    refusal_hold_ms = 5000, "longest time that a refusal to a stranger who keeps asking is held back";
    connections_console = 256, "open connections of the console's listener: a flood of the public ones never keeps operators out";
    connections_late = 256, "connections that are answered while the platform starts or stops: health, and refusals of all else";
    header_deadline_ms = 5000, "time for a request's head to arrive, from its first byte or from the connection";
    body_deadline_ms = 20000, "time for a request's body to arrive";
    write_stall_ms = 20000, "longest time in which a reader takes nothing of an answer";
    idle_ms = 60000, "longest time a kept connection may be idle";
    header_bytes = 16384, "size of a request's head";
    body_bytes_form = 4096, "body of sign-in and registration";
    body_bytes_passkey = 16384, "body of a passkey's answer";
    body_bytes_api = 1_048_576, "body of the API";
    body_bytes_file = 10_485_760, "a file for the chat";
    body_bytes_files_total = 67_108_864, "files in memory while they arrive and are read, all connections together";
    file_deadline_ms = 120_000, "time for a file to arrive";
    body_bytes_total = 268_435_456, "request bodies in memory, all connections together";
    discard_bytes = 16_777_216, "body of a refused request that is read and thrown away, so that the refusal is read; a stranger's: a 64th";
    discards = 64, "bodies of refused requests that are thrown away at once; strangers have half of them";
    http2_streams = 32, "HTTP/2: streams at once on a connection";
    http2_pending_resets = 10, "HTTP/2: streams reset before they were accepted (rapid reset)";
    http2_local_resets = 64, "HTTP/2: resets that we had to send";
    queue_len = 4096, "generations that wait for an engine";
    queue_len_per_account = 4, "generations of one account that wait";
    queue_len_per_cohort = 64, "generations of one cohort of newcomers that wait";
    queue_wait_ms = 60000, "longest wait for an engine";
    in_flight_per_account = 16, "generations of one account, waiting or running";
    in_flight_newcomer = 4, "the same, of a newcomer";
    requests_per_minute_member = 6000, "requests of a member a minute, refilled evenly";
    tokens_per_minute_member = 4_000_000, "tokens of a member a minute, prompts and answers, refilled evenly";
    requests_per_minute_newcomer = 60, "requests of a newcomer a minute";
    tokens_per_minute_newcomer = 60000, "tokens of a newcomer a minute";
    requests_per_day_newcomer = 2000, "requests of a newcomer a day (UTC)";
    tokens_per_day_newcomer = 500_000, "tokens of a newcomer a day (UTC)";
    members_share_percent = 65, "share of each engine's sequences and KV tokens that is kept for members";
    work_storage = 64, "requests at once that read or change what is stored: pages, lists, changes";
    work_registration = 4, "new accounts that are written at once";
    work_search = 4, "searches through conversations at once";
    work_pages = 2, "pages of more than 16 KiB of answers that are rendered at once";
    render_colours_bytes = 24576, "code that is coloured on a page, the newest answers first; the rest gets its colours when it is opened again";
    rendered_bytes = 33_554_432, "HTML of answers kept in memory for who comes back";
    work_queue_len = 512, "requests that wait for each kind of such work";
    work_wait_ms = 5000, "longest wait for such work";
    demoted_members_percent = 25, "share of the members seen lately that may be down a band at once for their conduct";
    max_tokens_member = 32768, "most tokens of an answer to a member";
    max_tokens_newcomer = 4096, "most tokens of an answer to anybody else";
    stream_head_ms = 1000, "a queued stream's head is sent after this time";
    answer_head_ms = 10000, "a queued plain answer's head is sent after this time, then blank lines";
    keep_alive_ms = 5000, "time between two signs of life in a queued answer";
    first_token_ms = 600_000, "longest wait for an engine's first token";
    spool_bytes = 1_048_576, "an answer's part that its reader has not taken yet";
    generations_parked = 4096, "chat answers kept in memory for readers who come back";
    parked_bytes = 268_435_456, "text of chat answers in memory, all together";
    readers_per_generation = 8, "readers of one chat answer at once";
    generation_parked_ms = 600_000, "time a finished chat answer is kept in memory";
    journal_len = 8192, "observations that wait to be counted; more are lost, and the loss is counted";
    usage_rows = 65536, "usage rows in memory before they are written";
    key_lookups = 64, "look-ups of unknown but well-formed keys in the store at once";
    key_budget_days = 0, "days that a key's budget is for: 0 for the key's whole life, 1 for a day (UTC), 7 for a week, and so on";
    keys_per_account = 64, "API keys of one account";
    message_bytes = 262_144, "text of one chat message";
    context_messages = 200, "messages of a conversation that are read for an answer";
    system_bytes = 32768, "instructions of a conversation";
    conversations_per_account = 50000, "conversations of one account";
    messages_per_conversation = 10000, "messages of one conversation, all branches together";
    branches_per_message = 64, "branches that begin at one place of a conversation";
    files_per_account = 1000, "files of one account";
    files_per_message = 10, "files attached to one question";
    stored_bytes_per_account = 1_073_741_824, "messages, files and shared pages of one account, sealed";
    file_unattached_ms = 86_400_000, "time a file waits to be attached";
    uploads = 4, "files that are read at once";
    file_text_bytes = 524_288, "text that is read out of one file";
    file_pages = 500, "pages of a PDF";
    file_read_ms = 20000, "time for the text to be read out of a PDF";
    search_bytes = 67_108_864, "text that one call of a search looks through";
    exports = 4, "exports at once";
    share_bytes = 4_194_304, "text of a shared conversation";
    share_readers = 4, "shared pages that are read from the store at once";
    share_reads_per_minute = 60, "shared pages a minute that one source may read without being a member";
    share_reads_burst = 20, "of these, at once";
    checkpoint_ms = 3000, "time between two copies in the store of an answer that is on its way";
    sign_in_guesses_per_account = 10, "passwords an hour that unknown devices together may try at one account";
    sign_in_free_guesses = 3, "of them, without work";
    sign_in_free_wrong_per_network = 10, "wrong passwords an hour from one network before its unknown devices pay work";
    sign_in_tries_per_device = 20, "passwords an hour that one known device may try";
    sign_in_spray_accounts = 20, "accounts over which guesses must be spread to be taken for a spraying";
    second_factor_tries = 10, "codes of a second factor an hour, for one account";
    mail_links_per_network = 10, "mailed links that one network may ask for in an hour before it pays work";
    mail_requests = 64, "requests for a mailed link that are looked up at once";
    passkey_answers = 65536, "answers of passkeys that are remembered, so that none is taken twice";
    registrations_per_minute = 240, "registrations let through in a minute on a quiet day; less while members are short of room";
    gate_queue_len = 16384, "places in the registration line that are remembered";
    gate_turn_ms = 600_000, "time in which somebody who was let in may register";
    sign_in_places_per_minute = 60, "turns in a minute for unknown devices that sign in and cannot solve a challenge";
    invites_per_member = 5, "invitations of one member in 30 days";
    invite_lasts_s = 1_209_600, "time in which an invitation may be used";
    challenge_pool = 2048, "challenges made beforehand";
    challenge_cpu_percent = 5, "part of a core that makes challenges beforehand";
    challenge_lasts_s = 240, "time in which a challenge may be solved";
    drain_ms = 30000, "time for what is in flight to end when the platform stops";
}

impl Limits {
    /// What the store keeps of them.
    pub const fn holding(&self) -> rempart_store::HoldingLimits {
        rempart_store::HoldingLimits {
            conversations: self.conversations_per_account,
            messages: self.messages_per_conversation,
            branches: self.branches_per_message,
            files: self.files_per_account,
            bytes: self.stored_bytes_per_account,
            unattached_ms: self.file_unattached_ms,
        }
    }

    /// Those of the sign-in guard.
    pub fn sign_in(&self) -> rempart_identity::sign_in::SignInLimits {
        rempart_identity::sign_in::SignInLimits {
            guesses_per_account: self.sign_in_guesses_per_account,
            free_guesses_per_account: self.sign_in_free_guesses,
            free_wrong_per_network: self.sign_in_free_wrong_per_network,
            tries_per_device: self.sign_in_tries_per_device,
            codes_per_account: self.second_factor_tries,
            spray_accounts: self.sign_in_spray_accounts,
            free_mails_per_network: self.mail_links_per_network,
        }
    }
}
