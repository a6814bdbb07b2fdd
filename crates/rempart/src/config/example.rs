//! `config/example.toml`, made from the declarations: every key with its default and meaning.

use super::section::Section;
use super::{
    EngineSection, LimitsSection, LogSection, MailSection, ModelsSection, RegistrationSection, ServerSection,
    SiteSection, StandingSection, StoreSection,
};

const HEAD: &str = "\
# Rempart's configuration: every key with its default and meaning. Made by `rempart check-config --example`; do not edit it,
# copy it. A file needs only what differs. Any key can be set by the environment: REMPART__SECTION__KEY, for instance
# REMPART__SERVER__PUBLIC_URL=https://chat.example.org; lists, maps, numbers and truth values as TOML, texts as they stand.
";

/// The example file.
pub(crate) fn example_toml() -> String {
    let mut out = String::from(HEAD);
    write_section::<ServerSection>(&mut out, "server");
    write_section::<SiteSection>(&mut out, "site");
    write_section::<StoreSection>(&mut out, "store");
    write_section::<RegistrationSection>(&mut out, "registration");
    write_section::<StandingSection>(&mut out, "standing");
    write_section::<ModelsSection>(&mut out, "models");
    write_engine(&mut out);
    write_section::<MailSection>(&mut out, "mail");
    write_limits(&mut out);
    write_section::<LogSection>(&mut out, "log");
    out
}

fn write_doc(out: &mut String, doc: &[&str]) {
    for line in doc {
        out.push_str(&format!("# {}\n", line.trim()));
    }
}

fn write_section<S: Section>(out: &mut String, name: &str) {
    out.push('\n');
    write_doc(out, S::DOC);
    out.push_str(&format!("[{name}]\n"));
    for (key, value) in S::KEYS.iter().zip(S::default().show()) {
        write_doc(out, key.doc);
        out.push_str(&format!("{} = {value}\n", key.name));
    }
}

/// Commented out, because an engine that is named is started.
fn write_engine(out: &mut String) {
    out.push('\n');
    write_doc(out, EngineSection::DOC);
    out.push_str("# [engine.NAME]\n");
    for (key, value) in EngineSection::KEYS.iter().zip(EngineSection::default().show()) {
        write_doc(out, key.doc);
        out.push_str(&format!("# {} = {value}\n", key.name));
    }
}

fn write_limits(out: &mut String) {
    out.push_str("\n# Every limit. The unit is the last word of the name.\n[limits]\n");
    for (name, value, meaning) in LimitsSection::default().rows() {
        out.push_str(&format!("# {meaning}\n{name} = {value}\n"));
    }
}
