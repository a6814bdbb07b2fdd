//! A scripted engine on a port, for trying things out: `cargo run -p rempart-engine --example scripted -- ADDR [SEQUENCES
//! KV_TOKENS PREFILL_TPS DECODE_TPS [TOKENS [echo|words [REASONING]]]]`. The product's own command is `rempart engine scripted`.

use std::io;

use rempart_engine::scripted::{AnswerKind, ScriptedOptions, serve};
use tokio_util::sync::CancellationToken;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let rest: Vec<String> = args.collect();
    let number = |index: usize, default: u32| rest.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let default = ScriptedOptions::default();
    let options = ScriptedOptions {
        sequences: number(0, default.sequences),
        kv_tokens: number(1, default.kv_tokens),
        prefill_tps: number(2, default.prefill_tps),
        decode_tps: number(3, default.decode_tps),
        tokens: number(4, default.tokens),
        answer: rest.get(5).and_then(|word| AnswerKind::parse(word)).unwrap_or_default(),
        reasoning: number(6, 0),
        ..default
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(&address).await?;
        eprintln!("scripted engine on http://{}", listener.local_addr()?);
        serve(listener, options, CancellationToken::new()).await
    })
}
