//! The sections of the configuration. The doc comments are the text of `config/example.toml`: write them for an operator.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use super::section::section;
use super::value::{SecretText, StoreUrlText, words};

/// Where the default configuration says that the platform is reached; the port follows the first listener.
pub(crate) const PUBLIC_URL_DEFAULT: &str = "http://localhost:8080";

words!(
    /// What an engine is.
    EngineKind: "\"embedded\", \"upstream\" or \"scripted\"",
    /// llama.cpp in a child process.
    Embedded = "embedded",
    /// An OpenAI-compatible address.
    Upstream = "upstream",
    /// The deterministic stand-in.
    Scripted = "scripted",
);

words!(
    /// How an upstream engine orders what it was given.
    EnginePriority: "\"none\", \"vllm\" or \"sglang\"",
    /// It is told nothing.
    None = "none",
    /// A lower number first.
    Vllm = "vllm",
    /// A higher number first.
    Sglang = "sglang",
);

words!(
    /// What the scripted engine answers.
    ScriptedAnswer: "\"echo\" or \"words\"",
    /// A fixed list of words.
    Words = "words",
    /// The last message's words.
    Echo = "echo",
);

words!(
    /// How mail leaves.
    MailKind: "\"outbox\" or \"smtp\"",
    /// Into the data folder's `outbox/`.
    Outbox = "outbox",
    /// To a mail server.
    Smtp = "smtp",
);

words!(
    /// How the connection to the mail server is protected.
    MailTls: "\"starttls\", \"tls\" or \"none\"",
    /// STARTTLS, required.
    StartTls = "starttls",
    /// TLS from the first byte.
    Implicit = "tls",
    /// Not at all: a server on this machine.
    None = "none",
);

words!(
    /// The shape of a log line.
    LogFormat: "\"text\" or \"json\"",
    /// For people.
    Text = "text",
    /// For programs.
    Json = "json",
);

words!(
    /// How far registration is closed.
    RegistrationLevel: "\"auto\", \"open\", \"challenge\", \"verified\", \"queue\" or \"closed\"",
    /// The platform decides.
    Auto = "auto",
    /// Name and password are enough.
    Open = "open",
    /// A proof of work first.
    Challenge = "challenge",
    /// Then a verified contact.
    Verified = "verified",
    /// Then the ticket queue.
    Queue = "queue",
    /// Nobody.
    Closed = "closed",
);

section! {
    /// Where the platform listens and how it is reached.
    ServerSection {
        /// Addresses for people and programs; port 0 takes a free port. IPv6 in brackets: "[::1]:8080".
        listen: Vec<SocketAddr> = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
        /// The operators' console and /metrics. Loopback only: it speaks no TLS (use an SSH tunnel).
        console: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
        /// How people reach the platform: decides links, cookie flags, the passkeys' domain and CORS.
        /// The default's port follows the first listener.
        public_url: String = PUBLIC_URL_DEFAULT.to_owned(),
        /// Proxies whose word about the client's address is believed: addresses or networks ("10.0.0.0/8"). None by default.
        trusted_proxies: Vec<String> = Vec::new(),
        /// Web origins that may call the API from a browser: ["https://app.example.org"].
        cors_origins: Vec<String> = Vec::new(),
    }
}

section! {
    /// What people read about who runs this.
    SiteSection {
        /// The platform's name on every page.
        name: String = "Rempart".to_owned(),
        /// Where people reach the operator: a mail address or a URL.
        contact: String = String::new(),
        /// Terms of use, a URL.
        terms_url: String = String::new(),
        /// Privacy notice, a URL.
        privacy_url: String = String::new(),
    }
}

section! {
    /// Where accounts, conversations and usage are kept.
    StoreSection {
        /// "sqlite" (the file rempart.db in the data folder) or "postgres://USER:PASSWORD@HOST/NAME".
        /// A database on another machine needs a password and TLS (…?sslmode=verify-full or require).
        url: StoreUrlText = StoreUrlText::default(),
        /// A file that holds `url`, for an address with a password.
        url_file: String = String::new(),
        /// State shared by several nodes (Redis, Valkey): not built yet, so it must stay empty.
        shared: String = String::new(),
        /// The key that seals conversations: a file with 32 bytes in base64, instead of keys/master.key in the data folder.
        master_key_file: String = String::new(),
        /// The same key as text. Meant for the environment: REMPART__STORE__MASTER_KEY.
        master_key: SecretText = SecretText::default(),
    }
}

section! {
    /// Who may register.
    RegistrationSection {
        /// "auto" (as hard as members' room asks for), or always "open", "challenge" (a small computation in the browser), "verified" (then
        /// a confirmed mail address; needs [mail]), "queue" (then the waiting line) or "closed" (operators' invitations only).
        level: RegistrationLevel = RegistrationLevel::Auto,
    }
}

section! {
    /// How standing is earned.
    StandingSection {
        /// A newcomer becomes a member this many days after registration at the earliest…
        member_after_days: u16 = 7,
        /// …and with this many days of good use.
        member_after_good_days: u16 = 3,
        /// A member becomes trusted after this many days.
        trusted_after_days: u16 = 90,
    }
}

section! {
    /// Language models: where their files lie and what they are called.
    ModelsSection {
        /// The folder of model files, shared by all data folders. Empty: $XDG_CACHE_HOME/rempart/models.
        dir: String = String::new(),
        /// The model that answers when none is named. Empty: the built-in demonstration model, or the first engine's first model.
        default: String = String::new(),
        /// Fetch the default model at the start when it is missing.
        fetch: bool = true,
        /// Other names for models: { "deepseek-chat" = "smollm2-135m-instruct" }.
        aliases: BTreeMap<String, String> = BTreeMap::new(),
    }
}

section! {
    /// An engine; NAME is yours (a-z, 0-9, '-', '_'). Without any, one embedded engine runs the default model.
    EngineSection {
        /// "embedded" (llama.cpp in a child process), "upstream" (any OpenAI-compatible address) or "scripted" (for drills).
        kind: EngineKind = EngineKind::Upstream,
        /// upstream: its address, with or without /v1: "http://127.0.0.1:8000/v1".
        url: String = String::new(),
        /// upstream: the key to show it.
        api_key: SecretText = SecretText::default(),
        /// upstream: a file that holds the key.
        api_key_file: String = String::new(),
        /// What it serves. upstream: empty asks it. embedded: one model of `rempart model list`, empty is models.default.
        /// scripted: any names, empty is "scripted".
        models: Vec<String> = Vec::new(),
        /// Generations at once; 0 is 8 (embedded), 64 (upstream) or 16 (scripted).
        sequences: u32 = 0,
        /// Tokens of KV cache shared by all of them; 0 is 8192 (embedded), 262144 (upstream) or 65536 (scripted).
        kv_tokens: u32 = 0,
        /// upstream: how it takes priorities: "none", "vllm" or "sglang".
        priority: EnginePriority = EnginePriority::None,
        /// embedded: threads; 0 is one a core.
        threads: u32 = 0,
        /// scripted: prefill, in tokens a second, shared by all.
        prefill_tps: u32 = 10_000,
        /// scripted: decode, in tokens a second, for each.
        decode_tps: u32 = 100,
        /// scripted: tokens of an answer, at most.
        tokens: u32 = 16,
        /// scripted: "words" (a fixed list) or "echo" (the last message).
        answer: ScriptedAnswer = ScriptedAnswer::Words,
        /// scripted: tokens of reasoning before the answer.
        reasoning: u32 = 0,
    }
}

section! {
    /// How mail leaves. Without this section mail goes into the outbox, and nothing depends on its arrival.
    MailSection {
        /// "outbox" writes each mail into the data folder's outbox/, for development. "smtp" hands it to a mail server.
        kind: MailKind = MailKind::Outbox,
        /// Whom mails come from. Empty: rempart@ and the host of server.public_url.
        from: String = String::new(),
        /// smtp: the mail server's name, as its certificate has it.
        host: String = String::new(),
        /// smtp: its port; 0 is 587 (starttls), 465 (tls) or 25 (none).
        port: u16 = 0,
        /// smtp: "starttls", "tls" (from the first byte) or "none" (only for a server on this machine).
        tls: MailTls = MailTls::StartTls,
        /// smtp: a PEM file with the certificate of an authority of your own.
        ca_file: String = String::new(),
        /// smtp: the name to sign in with. Empty: without.
        username: String = String::new(),
        /// smtp: the password that belongs to it.
        password: SecretText = SecretText::default(),
        /// smtp: a file that holds the password.
        password_file: String = String::new(),
    }
}

section! {
    /// The log, on stderr. It never holds content, secrets or addresses.
    LogSection {
        /// "text" or "json" (one object a line).
        format: LogFormat = LogFormat::Text,
        /// error, warn, info, debug or trace; or by part: "info,rempart_gateway=debug".
        level: String = "info".to_owned(),
    }
}

impl EngineSection {
    /// Sequences, or the default of the engine's kind.
    pub(crate) fn sequences_or_default(&self) -> u32 {
        match (self.sequences, self.kind) {
            (0, EngineKind::Embedded) => 8,
            (0, EngineKind::Scripted) => 16,
            (0, EngineKind::Upstream) => 64,
            (given, _) => given,
        }
    }

    /// KV tokens, or the default of the engine's kind.
    pub(crate) fn kv_tokens_or_default(&self) -> u32 {
        match (self.kv_tokens, self.kind) {
            (0, EngineKind::Embedded) => 8192,
            (0, EngineKind::Scripted) => 65_536,
            (0, EngineKind::Upstream) => 262_144,
            (given, _) => given,
        }
    }
}
