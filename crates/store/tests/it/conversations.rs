//! Conversations: trees that belong to somebody.

use rempart_domain::{MessageId, TokenCount, UnixMillis, Usage};
use rempart_store::{ConversationCursor, MessageRole, MessageStatus, NewMessage, StoreError};

use crate::fixture::{NOW, make_account, make_conversation, new_message, on_both, say, sensitive};

on_both! {
    async fn a_branch_reads_back_oldest_first_in_pages(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, ada, "Fleurs 花").await;
        let mut ids: Vec<MessageId> = Vec::new();
        for n in 0..7 {
            ids.push(say(&store, ada, conversation, ids.last().copied(), &format!("message {n} 你好")).await);
        }
        let page = store.list_messages(ada, conversation, None, 3).await.unwrap();
        assert_eq!(page.iter().map(|m| m.id).collect::<Vec<_>>(), ids[4..]);
        assert_eq!(page[2].text.expose(), "message 6 你好");
        let page = store.list_messages(ada, conversation, Some(ids[4]), 3).await.unwrap();
        assert_eq!(page.iter().map(|m| m.id).collect::<Vec<_>>(), ids[1..4]);
        let page = store.list_messages(ada, conversation, Some(ids[1]), 3).await.unwrap();
        assert_eq!(page.iter().map(|m| m.id).collect::<Vec<_>>(), ids[..1]);
        assert!(store.list_messages(ada, conversation, Some(ids[0]), 3).await.unwrap().is_empty());
    }

    async fn another_branch_can_be_shown(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, ada, "t").await;
        let root = say(&store, ada, conversation, None, "question").await;
        let first = say(&store, ada, conversation, Some(root), "first answer").await;
        let second = say(&store, ada, conversation, Some(root), "second answer").await;
        let shown = |messages: Vec<rempart_store::Message>| messages.iter().map(|m| m.id).collect::<Vec<_>>();
        assert_eq!(shown(store.list_messages(ada, conversation, None, 50).await.unwrap()), [root, second]);
        store.set_current_leaf(ada, conversation, first).await.unwrap();
        assert_eq!(shown(store.list_messages(ada, conversation, None, 50).await.unwrap()), [root, first]);
        let elsewhere = make_conversation(&store, ada, "u").await;
        let foreign = say(&store, ada, elsewhere, None, "x").await;
        assert!(matches!(store.set_current_leaf(ada, conversation, foreign).await, Err(StoreError::NotFound)));
        let misplaced = store.append_message(ada, new_message(conversation, Some(foreign), "y")).await;
        assert!(matches!(misplaced, Err(StoreError::NotFound)), "{misplaced:?}");
        assert_eq!(shown(store.list_messages(ada, conversation, None, 50).await.unwrap()), [root, first], "a refused append changes nothing");
    }

    async fn a_streamed_answer_is_kept_with_its_cost(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, ada, "t").await;
        let answer = NewMessage {
            role: MessageRole::Assistant, status: MessageStatus::Streaming, model: Some("small".to_owned()), ..new_message(conversation, None, "")
        };
        let id = answer.id;
        store.append_message(ada, answer).await.unwrap();
        assert_eq!(store.find_message(ada, id).await.unwrap().unwrap().usage, None);
        let usage = Usage { input: TokenCount(1), output: TokenCount(2), reasoning: TokenCount(3), cached_input: TokenCount(4) };
        store.update_message(ada, id, sensitive("Paris"), Some(sensitive("hmm")), MessageStatus::Complete, Some(usage)).await.unwrap();
        let found = store.find_message(ada, id).await.unwrap().unwrap();
        assert_eq!((found.text.expose().as_str(), found.status, found.usage, found.role), ("Paris", MessageStatus::Complete, Some(usage), MessageRole::Assistant));
        assert_eq!((found.reasoning.unwrap().expose().as_str(), found.model.as_deref()), ("hmm", Some("small")));
    }

    async fn what_streamed_when_the_process_died_is_cut_at_the_next_start(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, ada, "t").await;
        let partial = NewMessage { status: MessageStatus::Streaming, ..new_message(conversation, None, "The capital of") };
        store.append_message(ada, partial.clone()).await.unwrap();
        assert_eq!(store.cut_streaming_messages().await.unwrap(), 1);
        let found = store.find_message(ada, partial.id).await.unwrap().unwrap();
        assert_eq!((found.status, found.text.expose().as_str()), (MessageStatus::Cut, "The capital of"));
    }

    async fn what_is_anothers_is_not_found(fx: Fixture) {
        let store = fx.open().await;
        let (ada, bob) = (make_account(&store, "ada").await, make_account(&store, "bob").await);
        let conversation = make_conversation(&store, ada, "t").await;
        let message = say(&store, ada, conversation, None, "secret").await;
        assert!(store.find_conversation(bob, conversation).await.unwrap().is_none());
        assert!(store.find_message(bob, message).await.unwrap().is_none());
        assert!(store.list_messages(bob, conversation, None, 50).await.unwrap().is_empty());
        assert!(store.list_messages(bob, conversation, Some(message), 50).await.unwrap().is_empty());
        assert!(!store.delete_conversation(bob, conversation).await.unwrap());
        assert!(matches!(store.set_title(bob, conversation, sensitive("mine")).await, Err(StoreError::NotFound)));
        assert!(matches!(store.set_current_leaf(bob, conversation, message).await, Err(StoreError::NotFound)));
        assert!(matches!(store.append_message(bob, new_message(conversation, None, "x")).await, Err(StoreError::NotFound)));
        let update = store.update_message(bob, message, sensitive("x"), None, MessageStatus::Complete, None).await;
        assert!(matches!(update, Err(StoreError::NotFound)));
        assert_eq!(store.find_message(ada, message).await.unwrap().unwrap().text.expose(), "secret");
        assert_eq!(store.find_conversation(ada, conversation).await.unwrap().unwrap().current_leaf, Some(message));
    }

    async fn conversations_are_listed_last_written_first(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let mut ids = Vec::new();
        for n in 0..5 {
            ids.push(make_conversation(&store, ada, &format!("title {n}")).await);
        }
        let late = NewMessage { created: UnixMillis(NOW.0 + 99), ..new_message(ids[1], None, "x") };
        store.append_message(ada, late).await.unwrap();
        let page = store.list_conversations(ada, None, 2).await.unwrap();
        assert_eq!(page.iter().map(|c| (c.id, c.title.expose().as_str())).collect::<Vec<_>>(), [(ids[1], "title 1"), (ids[4], "title 4")]);
        let cursor: ConversationCursor = page[1].cursor().to_string().parse().unwrap();
        let rest = store.list_conversations(ada, Some(cursor), 10).await.unwrap();
        assert_eq!(rest.iter().map(|c| c.id).collect::<Vec<_>>(), [ids[3], ids[2], ids[0]]);
    }

    async fn a_deleted_conversation_takes_its_messages_along(fx: Fixture) {
        let store = fx.open().await;
        let ada = make_account(&store, "ada").await;
        let conversation = make_conversation(&store, ada, "t").await;
        let message = say(&store, ada, conversation, None, "x").await;
        store.set_title(ada, conversation, sensitive("renamed")).await.unwrap();
        assert_eq!(store.find_conversation(ada, conversation).await.unwrap().unwrap().title.expose(), "renamed");
        assert!(store.delete_conversation(ada, conversation).await.unwrap());
        assert!(store.find_message(ada, message).await.unwrap().is_none());
        assert!(!store.delete_conversation(ada, conversation).await.unwrap());
    }
}
