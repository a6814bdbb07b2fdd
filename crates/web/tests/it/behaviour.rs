//! What must hold for every page, whatever it shows.

use rempart_domain::{ConversationId, Day, ReasonCode};
use rempart_web::{
    AccountView, ChatView, ConversationHead, ConversationRow, FoundView, HistoryView, HitRow, KeyRow, Locale,
    MessageState, PreferencesView, RefusalView, SharedView, SignInView, Site, Speaker, TurnRow, account_page,
    chat_page, refusal_page, shared_page, sign_in_page,
};

use crate::samples::{all, ctx, site};

const HOSTILE: &str = "</textarea><script>alert(1)</script>\" onload='x' {{7*7}}";

#[test]
fn no_page_has_inline_script_or_style_or_asks_a_third_party() {
    for locale in Locale::ALL {
        for (name, html) in all(*locale) {
            for script in html.split("<script").skip(1) {
                assert!(script.starts_with(" type=\"module\" src=\"/static/"), "{name}-{locale}: {script:.60}");
            }
            for bad in [" style=", " onclick", " onload", "javascript:", "src=\"http", "<style", "@import"] {
                assert!(!html.contains(bad), "{name}-{locale}: {bad}");
            }
            assert!(
                html.contains("<meta name=\"viewport\"") && html.contains("<main id=\"content\""),
                "{name}-{locale}"
            );
        }
    }
}

#[test]
fn every_form_that_changes_something_carries_the_form_secret() {
    for (name, html) in all(Locale::En) {
        for form in html.split("<form").skip(1) {
            let form = form.split("</form>").next().unwrap();
            // A search, a dialog, and what a script takes up itself change nothing where they are sent.
            if ["method=\"get\"", "method=\"dialog\"", "class=\"edit\""].iter().any(|kind| form.contains(kind)) {
                continue;
            }
            assert!(form.contains("name=\"csrf\" value=\"c5rf\""), "{name}: {form}");
        }
    }
}

#[test]
fn ids_are_unique_and_labels_and_descriptions_point_to_something() {
    for (name, html) in all(Locale::En) {
        let values = |attribute: &str| -> Vec<String> {
            html.split(&format!(" {attribute}=\""))
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().to_owned())
                .collect()
        };
        let ids = values("id");
        let mut unique = ids.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(ids.len(), unique.len(), "{name}: {ids:?}");
        for attribute in ["for", "aria-describedby", "aria-labelledby"] {
            for target in values(attribute).iter().flat_map(|value| value.split(' ')) {
                assert!(unique.iter().any(|id| id == target), "{name}: {attribute} {target}");
            }
        }
    }
}

#[test]
fn what_people_and_models_write_is_escaped_everywhere() {
    let site = Site {
        name: HOSTILE.into(),
        contact: "javascript:alert(1)".into(),
        terms_url: "//evil.example".into(),
        privacy_url: HOSTILE.into(),
    };
    let ctx = ctx(&site, Locale::En, "/c/x", Some("lin"));
    let id = ConversationId::from_bits(1);
    let turn =
        |role| TurnRow { text: HOSTILE, reasoning: HOSTILE, model: HOSTILE, files: vec![HOSTILE], ..empty(role) };
    let row = ConversationRow { id, title: HOSTILE, day: Day(0), is_pinned: false };
    let head = ConversationHead {
        id,
        title: HOSTILE,
        is_pinned: false,
        is_shared: true,
        link: Some(HOSTILE),
        system: HOSTILE,
        temperature: None,
    };
    let hit = HitRow { conversation: id, message: None, title: HOSTILE, snippet: HOSTILE };
    let view = ChatView {
        history: HistoryView { pinned: vec![row], rows: vec![row], today: Day(1), next: Some(HOSTILE) },
        found: Some(FoundView { words: HOSTILE, hits: vec![hit] }),
        conversation: Some(head),
        turns: vec![turn(Speaker::Person), turn(Speaker::Model)],
        models: vec![HOSTILE, HOSTILE],
        earlier: Some(HOSTILE),
        draft: HOSTILE,
        ..ChatView::default()
    };
    let shared = SharedView { title: HOSTILE, turns: vec![turn(Speaker::Person)], ..SharedView::default() };
    let key = KeyRow {
        id: HOSTILE,
        name: HOSTILE,
        created: Default::default(),
        expires: None,
        models: HOSTILE.to_owned(),
        limits: rempart_domain::KeyLimits::default(),
        last_used: None,
    };
    let account = AccountView {
        key_budget_days: 0,
        name: HOSTILE,
        keys: vec![key],
        new_key: Some(HOSTILE),
        models: vec![HOSTILE, HOSTILE],
        preferences: PreferencesView { time_zone: HOSTILE, ..PreferencesView::default() },
        ..AccountView::default()
    };
    for html in [chat_page(&ctx, &view), shared_page(&ctx, &shared), account_page(&ctx, &account)] {
        assert!(
            !html.contains("<script>") && !html.contains("</textarea><script") && !html.contains("\" onload"),
            "{html}"
        );
        assert!(!html.contains("href=\"javascript:") && !html.contains("href=\"//"), "{html}");
        assert!(html.contains("alert(1)"), "the text itself is shown");
    }
}

#[test]
fn sign_in_goes_on_only_to_a_path_of_this_site() {
    let site = site();
    let ctx = ctx(&site, Locale::En, "/sign-in", None);
    let page = |next| sign_in_page(&ctx, &SignInView { next, ..SignInView::default() });
    assert!(page("/account?x=1").contains("name=\"next\" value=\"/account?x=1\""));
    for bad in ["https://evil.example", "//evil.example", "/\\evil.example", "/a\nb", "account", ""] {
        assert!(!page(bad).contains("name=\"next\""), "{bad:?}");
    }
}

#[test]
fn a_refusal_says_what_it_means_what_to_do_how_long_and_its_number() {
    let site = site();
    for locale in Locale::ALL {
        for reason in ReasonCode::ALL {
            let ctx = ctx(&site, *locale, "/", None);
            let view =
                RefusalView { reason: *reason, status: 503, retry_after_s: Some(400), request_id: "req_0000000002A" };
            let html = refusal_page(&ctx, &view);
            assert!(!html.contains("reason-") && !html.contains("refusal-wait"), "{locale} {reason}");
            assert!(html.contains("req_0000000002A") && html.contains('7'), "{locale} {reason}");
        }
    }
}

fn empty(role: Speaker) -> TurnRow<'static> {
    TurnRow {
        id: None,
        parent: None,
        role,
        text: "",
        html: "",
        reasoning: "",
        state: MessageState::Complete,
        model: "",
        files: Vec::new(),
        siblings: Vec::new(),
        generation: None,
    }
}

#[test]
fn line_breaks_of_a_question_stay_as_they_are() {
    let site = site();
    let ctx = ctx(&site, Locale::En, "/c/x", Some("lin"));
    let turn = TurnRow { text: "a\n\n  b", ..empty(Speaker::Person) };
    let html = chat_page(&ctx, &ChatView { turns: vec![turn], ..ChatView::default() });
    assert!(html.contains("dir=\"auto\">a\n\n  b</div>"));
}

#[test]
fn conversations_stand_under_the_day_of_their_last_message() {
    let site = site();
    let ctx = ctx(&site, Locale::En, "/", Some("lin"));
    let row = |id, back: u16| ConversationRow {
        id: ConversationId::from_bits(id),
        title: "t",
        day: Day(20_454 - back),
        is_pinned: false,
    };
    let rows = vec![row(1, 0), row(2, 0), row(3, 1), row(4, 7), row(5, 8), row(6, 30), row(7, 31), row(8, 400)];
    let history = HistoryView { rows, today: Day(20_454), ..HistoryView::default() };
    let html = chat_page(&ctx, &ChatView { history, ..ChatView::default() });
    let groups: Vec<_> =
        html.split("data-group=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
    assert_eq!(groups, ["today", "yesterday", "week", "month", "2025-12", "2024-11"]);
    assert!(html.contains("<h2>December 2025</h2>"));
}

#[test]
fn choosing_a_language_loses_neither_a_one_time_link_nor_a_place_in_a_line() {
    for (name, html) in all(Locale::En) {
        let is_kept = |what: &str| html.contains(&format!("?lang=fr&amp;{what}\""));
        match name {
            "console-first-run" | "sign-in-link" => assert!(is_kept("link=0nce"), "{name}"),
            "sign-in-wrong" => assert!(is_kept("next=%2Faccount"), "{name}"),
            "register-invited" => assert!(is_kept("invite=1nvite"), "{name}"),
            "register-turn" | "sign-in-turn" => assert!(is_kept("ticket=p1ace&amp;name=lin.mei"), "{name}"),
            _ if name.starts_with("wait-") => assert!(is_kept("ticket=p1ace&amp;name=lin.mei"), "{name}"),
            // The chat's language is chosen on the account's page.
            _ if html.contains("class=\"app\"") => {}
            _ => assert!(html.contains("?lang=fr\""), "{name}"),
        }
    }
}
