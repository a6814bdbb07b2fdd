//! What must hold for every page, whatever it shows.

use rempart_domain::ReasonCode;
use rempart_web::{
    AccountView, ConversationView, HomeView, KeyRow, Locale, MessageRow, MessageState, RefusalView, SignInView, Site,
    Speaker, account_page, conversation_page, home_page, refusal_page, sign_in_page,
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
    let message = MessageRow { role: Speaker::Model, text: HOSTILE, state: MessageState::Complete, model: HOSTILE };
    let view = ConversationView {
        title: HOSTILE,
        messages: vec![message],
        models: vec![HOSTILE, HOSTILE],
        draft: HOSTILE,
        ..ConversationView::default()
    };
    let key = KeyRow { id: HOSTILE, name: HOSTILE, created: Default::default(), expires: None };
    let home = HomeView::SignedIn {
        conversations: vec![],
        next: Some(HOSTILE),
        models: vec![HOSTILE],
        draft: HOSTILE,
        error: None,
    };
    for html in [
        conversation_page(&ctx, &view),
        account_page(
            &ctx,
            &AccountView { name: HOSTILE, keys: vec![key], new_key: Some(HOSTILE), ..AccountView::default() },
        ),
        home_page(&ctx, &home),
    ] {
        assert!(!html.contains("<script") && !html.contains("</textarea><") && !html.contains("\" onload"), "{html}");
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

#[test]
fn line_breaks_of_a_message_stay_as_they_are() {
    let site = site();
    let ctx = ctx(&site, Locale::En, "/c/x", Some("lin"));
    let message = MessageRow { role: Speaker::Person, text: "a\n\n  b", state: MessageState::Complete, model: "" };
    let html = conversation_page(&ctx, &ConversationView { messages: vec![message], ..ConversationView::default() });
    assert!(html.contains("dir=\"auto\">a\n\n  b</div>"));
}

#[test]
fn choosing_a_language_does_not_lose_a_one_time_link() {
    for (name, html) in all(Locale::En) {
        let is_kept = |what: &str| html.contains(&format!("?lang=fr&amp;{what}\""));
        match name {
            "console-first-run" | "sign-in-link" => assert!(is_kept("link=0nce"), "{name}"),
            "sign-in-wrong" => assert!(is_kept("next=%2Faccount"), "{name}"),
            _ => assert!(html.contains("?lang=fr\""), "{name}"),
        }
    }
}
