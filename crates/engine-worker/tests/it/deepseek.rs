//! DeepSeek's own architecture (MLA and mixture of experts) with random weights: it loads and answers, alone and four in a batch. What
//! it says is noise; that the same noise comes alone and in a batch shows that nothing is mixed up.

use futures_util::future::join_all;

use crate::harness::{Running, chat, model};

#[tokio::test]
async fn deepseeks_architecture_answers_four_in_one_batch() {
    let Some(path) = model("REMPART_TEST_DEEPSEEK") else { return };
    let engine = Running::ready(path).await;
    assert_eq!(engine.engine.loaded().unwrap().architecture, "deepseek2");
    assert!(engine.engine.loaded().unwrap().has_chat_template);
    let alone = engine.answer(chat("the one and the other")).await.unwrap();
    assert!(alone.usage.output.0 > 0 && alone.usage.input.0 > 5, "{alone:?}");
    let together = join_all((0..4).map(|_| engine.answer(chat("the one and the other")))).await;
    for answer in together {
        let answer = answer.unwrap();
        // Noise may end within a character: its bytes are counted and never shown.
        assert!((0..4).contains(&(answer.usage.output.0 - answer.tokens)), "{answer:?}");
        assert!(answer.usage.output.0 > 0);
    }
}
