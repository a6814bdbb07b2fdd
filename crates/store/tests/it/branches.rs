//! What the chat does with a tree: branches side by side, attached files, shared links, limits of what an account holds.

use rempart_domain::{FileId, MessageId, Secret, ShareId, UnixMillis};
use rempart_store::{
    ConversationChange, FileKind, Holding, HoldingLimits, MessageStatus, NewFile, NewMessage, NewShare,
    PreferenceChange, Preferences, Progress, ScanCursor, Store, StoreError, StoreOptions,
};

use crate::fixture::{NOW, fresh, make_account, make_conversation, new_message, on_both, say, sensitive};

fn new_file(name: &str, text: &str) -> NewFile {
    NewFile {
        id: FileId::from_bits(fresh()),
        name: sensitive(name),
        kind: FileKind::Text,
        bytes: text.len() as u64,
        text: sensitive(text),
        created: NOW,
    }
}

fn new_share(secret: u8) -> NewShare {
    NewShare {
        id: ShareId::from_bits(fresh()),
        secret: Secret::new([secret; 32]),
        text: sensitive("snapshot 快照"),
        created: NOW,
    }
}

on_both! {
    async fn everything_of_a_conversation_is_changed_together_or_not_at_all(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, ada, "t").await;
        let change = ConversationChange {
            title: Some(sensitive("new title")), is_pinned: Some(true), model: Some("large".to_owned()),
            system: Some(Some(sensitive("answer in French"))), temperature: Some(Some(700)), current_leaf: None,
        };
        store.change_conversation(ada, conversation, change).await.unwrap();
        let found = store.find_conversation(ada, conversation).await.unwrap().unwrap();
        assert_eq!((found.title.expose().as_str(), found.is_pinned, found.model.as_str(), found.temperature), ("new title", true, "large", Some(700)));
        assert_eq!(found.system.unwrap().expose(), "answer in French");
        let broken = ConversationChange { title: Some(sensitive("lost")), current_leaf: Some(MessageId::from_bits(1)), ..Default::default() };
        assert!(matches!(store.change_conversation(ada, conversation, broken).await, Err(StoreError::NotFound)));
        assert_eq!(store.find_conversation(ada, conversation).await.unwrap().unwrap().title.expose(), "new title");
        let clear = ConversationChange { system: Some(None), temperature: Some(None), is_pinned: Some(false), ..Default::default() };
        store.change_conversation(ada, conversation, clear).await.unwrap();
        let found = store.find_conversation(ada, conversation).await.unwrap().unwrap();
        assert_eq!((found.system, found.temperature, found.is_pinned), (None, None, false));
    }

    async fn pinned_conversations_are_listed_by_themselves(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let mut ids = Vec::new();
        for n in 0..4 {
            ids.push(make_conversation(&store, ada, &format!("title {n}")).await);
        }
        for id in [ids[0], ids[2], ids[3]] {
            store.change_conversation(ada, id, ConversationChange { is_pinned: Some(true), ..Default::default() }).await.unwrap();
        }
        let page = store.list_pinned_conversations(ada, None, 2).await.unwrap();
        assert_eq!(page.iter().map(|c| c.id).collect::<Vec<_>>(), [ids[3], ids[2]]);
        let rest = store.list_pinned_conversations(ada, Some(page[1].cursor()), 2).await.unwrap();
        assert_eq!(rest.iter().map(|c| c.id).collect::<Vec<_>>(), [ids[0]]);
        assert_eq!(store.list_conversations(ada, None, 10).await.unwrap().len(), 4);
    }

    async fn branches_know_what_stands_beside_them(fx: Fixture) {
        let store = fx.open().await;
        let (ada, bob) = (make_account(&store, "ada").await, make_account(&store, "bob").await);
        let conversation = make_conversation(&store, ada, "t").await;
        let root = say(&store, ada, conversation, None, "question").await;
        let other_root = say(&store, ada, conversation, None, "question, edited").await;
        let first = say(&store, ada, conversation, Some(root), "first answer").await;
        let second = say(&store, ada, conversation, Some(root), "second answer").await;
        let below = say(&store, ada, conversation, Some(first), "more").await;
        assert_eq!(store.list_roots(ada, conversation).await.unwrap(), [root, other_root]);
        let siblings = store.list_siblings(ada, conversation, below, 50).await.unwrap();
        assert_eq!(siblings[&first], [first, second]);
        assert_eq!(siblings[&below], [below]);
        assert!(!siblings.contains_key(&root), "a root has no parent to share");
        assert_eq!(store.find_newest_below(ada, conversation, root).await.unwrap(), Some(second));
        assert_eq!(store.find_newest_below(ada, conversation, first).await.unwrap(), Some(below));
        assert_eq!(store.count_branch(ada, conversation, below).await.unwrap(), 3);
        assert!(store.list_siblings(bob, conversation, below, 50).await.unwrap().is_empty());
        assert!(store.list_roots(bob, conversation).await.unwrap().is_empty());
        assert_eq!(store.find_newest_below(bob, conversation, root).await.unwrap(), None);
        assert_eq!(store.count_branch(bob, conversation, below).await.unwrap(), 0);
    }

    async fn a_checkpoint_never_overwrites_an_answer_that_is_over(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, ada, "t").await;
        let place = NewMessage { status: MessageStatus::Streaming, ..new_message(conversation, None, "") };
        store.append_message(ada, place.clone()).await.unwrap();
        assert!(!store.resume_message(ada, place.id).await.unwrap(), "it is on its way");
        let progress = |text: &str| Progress { text: sensitive(text), reasoning: None };
        store.checkpoint_message(ada, place.id, progress("The capital")).await.unwrap();
        assert_eq!(store.cut_streaming_messages().await.unwrap(), 1);
        let found = store.find_message(ada, place.id).await.unwrap().unwrap();
        assert_eq!((found.text.expose().as_str(), found.status), ("The capital", MessageStatus::Cut));
        assert!(store.resume_message(ada, place.id).await.unwrap());
        store.update_message(ada, place.id, sensitive("The capital is Paris."), None, MessageStatus::Complete, None).await.unwrap();
        store.checkpoint_message(ada, place.id, progress("The cap")).await.unwrap();
        let found = store.find_message(ada, place.id).await.unwrap().unwrap();
        assert_eq!((found.text.expose().as_str(), found.status), ("The capital is Paris.", MessageStatus::Complete));
        assert!(!store.resume_message(ada, place.id).await.unwrap(), "it is whole");
    }

    async fn files_go_where_their_message_goes(fx: Fixture) {
        let store = fx.open().await;
        let (ada, bob) = (make_account(&store, "ada").await, make_account(&store, "bob").await);
        let (conversation, elsewhere) = (make_conversation(&store, ada, "t").await, make_conversation(&store, ada, "u").await);
        let (notes, loose) = (new_file("notes 笔记.txt", "canary-file-1"), new_file("loose.txt", "canary-file-2"));
        let (id, loose_id) = (notes.id, loose.id);
        store.create_file(ada, notes).await.unwrap();
        store.create_file(ada, loose).await.unwrap();
        assert!(store.find_file(bob, id).await.unwrap().is_none());
        assert!(store.read_file(bob, id).await.unwrap().is_none());
        assert!(!store.delete_file(bob, id).await.unwrap());
        let question = new_message(conversation, None, "what is in it?");
        let of_bob = make_conversation(&store, bob, "v").await;
        let stolen = store.append_messages(bob, vec![new_message(of_bob, None, "x")], vec![id]).await;
        assert!(matches!(stolen, Err(StoreError::NotFound)));
        store.append_messages(ada, vec![question.clone()], vec![id]).await.unwrap();
        let again = store.append_messages(ada, vec![new_message(elsewhere, None, "x")], vec![id]).await;
        assert!(matches!(again, Err(StoreError::NotFound)), "it belongs to another conversation now");
        let edited = new_message(conversation, None, "and now?");
        store.append_messages(ada, vec![edited], vec![id]).await.unwrap();
        let attached = store.list_attachments(ada, conversation, question.id, 50).await.unwrap();
        assert_eq!(attached.iter().map(|(m, f)| (*m, f.id, f.name.expose().as_str(), f.chars)).collect::<Vec<_>>(), [(question.id, id, "notes 笔记.txt", 13)]);
        assert_eq!(store.scan_attachments(ada, conversation).await.unwrap().len(), 2);
        assert!(store.scan_attachments(bob, conversation).await.unwrap().is_empty());
        let (_, text) = store.read_file(ada, id).await.unwrap().unwrap();
        assert_eq!(text.expose(), "canary-file-1");
        assert!(store.delete_conversation(ada, conversation).await.unwrap());
        assert!(store.find_file(ada, id).await.unwrap().is_none());
        assert!(store.find_file(ada, loose_id).await.unwrap().is_some());
        // The fixture's files are of 2025: long past their day.
        store.sweep(NOW.seconds()).await.unwrap();
        assert!(store.find_file(ada, loose_id).await.unwrap().is_none(), "nobody attached it in time");
        assert_eq!(store.find_holding(ada).await.unwrap(), Holding { conversations: 1, files: 0, bytes: 0 });
    }

    async fn a_shared_snapshot_opens_with_its_link_alone_and_ends_at_once(fx: Fixture) {
        let store = fx.open().await;
        let (ada, bob) = (make_account(&store, "ada").await, make_account(&store, "bob").await);
        let conversation = make_conversation(&store, ada, "t").await;
        assert!(matches!(store.create_share(bob, conversation, new_share(9)).await, Err(StoreError::NotFound)));
        store.create_share(ada, conversation, new_share(1)).await.unwrap();
        assert!(store.find_conversation(ada, conversation).await.unwrap().unwrap().is_shared);
        let read = |secret: u8| { let store = store.clone(); async move { store.read_share(&Secret::new([secret; 32])).await.unwrap() } };
        assert_eq!(read(1).await.unwrap().text.expose(), "snapshot 快照");
        assert!(read(2).await.is_none());
        store.create_share(ada, conversation, new_share(2)).await.unwrap();
        assert!(read(1).await.is_none(), "the older link ended");
        assert!(read(2).await.is_some());
        assert!(!store.delete_share(bob, conversation).await.unwrap());
        assert!(store.delete_share(ada, conversation).await.unwrap());
        assert!(read(2).await.is_none());
        assert!(!store.find_conversation(ada, conversation).await.unwrap().unwrap().is_shared);
        store.create_share(ada, conversation, new_share(3)).await.unwrap();
        assert!(store.delete_conversation(ada, conversation).await.unwrap());
        assert!(read(3).await.is_none());
        assert_eq!(store.find_holding(ada).await.unwrap(), Holding::default());
    }

    async fn an_account_holds_no_more_than_it_may(fx: Fixture) {
        let holding = HoldingLimits { conversations: 2, messages: 4, branches: 2, files: 1, bytes: 3000, ..HoldingLimits::default() };
        let store = Store::open(StoreOptions { holding, ..fx.options() }).await.unwrap();
        let ada = make_account(&store, "ada").await;
        let full = |result: Result<(), StoreError>, what: &str| assert!(matches!(result, Err(StoreError::Full(told)) if told == what), "{what}: {result:?}");
        let first = make_conversation(&store, ada, "a").await;
        let second = make_conversation(&store, ada, "b").await;
        full(store.create_conversation(ada, crate::fixture::new_conversation("c")).await, "conversations");
        assert!(store.delete_conversation(ada, second).await.unwrap());
        let second = make_conversation(&store, ada, "c").await;
        let root = say(&store, ada, first, None, "1").await;
        say(&store, ada, first, None, "2").await;
        full(store.append_message(ada, new_message(first, None, "3")).await, "branches");
        say(&store, ada, first, Some(root), "3").await;
        say(&store, ada, first, Some(root), "4").await;
        full(store.append_message(ada, new_message(first, Some(root), "5")).await, "messages");
        store.create_file(ada, new_file("a", "x")).await.unwrap();
        full(store.create_file(ada, new_file("b", "x")).await, "files");
        full(store.append_message(ada, new_message(second, None, &"x".repeat(4000))).await, "bytes");
        let held = store.find_holding(ada).await.unwrap();
        assert_eq!((held.conversations, held.files), (2, 1));
        let growing = say(&store, ada, second, None, "x").await;
        store.update_message(ada, growing, sensitive(&"y".repeat(4000)), None, MessageStatus::Complete, None).await.unwrap();
        assert!(store.find_holding(ada).await.unwrap().bytes > 4000, "an answer is kept, and counted");
        assert!(store.delete_conversation(ada, second).await.unwrap() && store.delete_conversation(ada, first).await.unwrap());
        assert_eq!((store.find_holding(ada).await.unwrap().bytes, store.find_holding(ada).await.unwrap().conversations), (58 + 2, 0), "the loose file is left");
    }

    async fn everything_is_read_through_newest_first_and_by_conversation(fx: Fixture) {
        let store = fx.open().await;
        let (ada, bob) = (make_account(&store, "ada").await, make_account(&store, "bob").await);
        let conversation = make_conversation(&store, ada, "t").await;
        let mut ids = Vec::new();
        for n in 0..5 {
            let new = NewMessage { created: UnixMillis(NOW.0 + n), ..new_message(conversation, None, &format!("text {n}")) };
            ids.push(new.id);
            store.append_message(ada, new).await.unwrap();
        }
        let batch = store.scan_messages(ada, None, 3).await.unwrap();
        let read: Vec<_> = batch.open().map(Result::unwrap).collect();
        assert_eq!(read.iter().map(|m| (m.message, m.text.expose().as_str())).collect::<Vec<_>>(), [(ids[4], "text 4"), (ids[3], "text 3"), (ids[2], "text 2")]);
        let after = Some(ScanCursor { created: read[2].created, message: read[2].message });
        assert_eq!(store.scan_messages(ada, after, 9).await.unwrap().open().map(|m| m.unwrap().message).collect::<Vec<_>>(), [ids[1], ids[0]]);
        assert!(store.scan_messages(bob, None, 9).await.unwrap().is_empty());
        let page = store.scan_conversation(ada, conversation, None, 2).await.unwrap();
        assert_eq!(page.iter().map(|m| m.id).collect::<Vec<_>>(), ids[..2]);
        let after = Some(ScanCursor { created: page[1].created, message: page[1].id });
        assert_eq!(store.scan_conversation(ada, conversation, after, 9).await.unwrap().iter().map(|m| m.id).collect::<Vec<_>>(), ids[2..]);
        assert!(store.scan_conversation(bob, conversation, None, 9).await.unwrap().is_empty());
    }

    async fn a_deleted_account_leaves_no_file_and_no_link(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, ada, "t").await;
        let file = new_file("a.txt", "x");
        let attached = file.id;
        store.create_file(ada, file).await.unwrap();
        store.append_messages(ada, vec![new_message(conversation, None, "x")], vec![attached]).await.unwrap();
        store.create_share(ada, conversation, new_share(4)).await.unwrap();
        assert!(store.delete_account(ada).await.unwrap());
        assert!(store.read_share(&Secret::new([4; 32])).await.unwrap().is_none());
        for table in ["conversation", "message", "file", "attachment", "share", "holding", "data_key"] {
            assert_eq!(fx.tamper(&format!("DELETE FROM {table}")).await, 0, "{table}");
        }
    }

    async fn preferences_are_kept_and_cleared(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let some = |text: &str| Some(Some(text.to_owned()));
        store.set_preferences(ada, PreferenceChange { locale: some("zh"), theme: some("dark"), time_zone: some("Asia/Shanghai") }).await.unwrap();
        let found = store.find_preferences(ada).await.unwrap();
        assert_eq!(found, Preferences { locale: Some("zh".into()), theme: Some("dark".into()), time_zone: Some("Asia/Shanghai".into()) });
        store.set_preferences(ada, PreferenceChange { theme: Some(None), ..Default::default() }).await.unwrap();
        assert_eq!(store.find_preferences(ada).await.unwrap().theme, None);
    }
}
