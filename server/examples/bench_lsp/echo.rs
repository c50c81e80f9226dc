//! A server that does nothing: what a change costs the client, the pipes and a JSON parser.

use std::io::Write;

use mvm_lsp::wire::{Frame, FrameReader, write_frame};
use serde_json::{Value, json};

/// Answers requests with `null` and changes with empty diagnostics of their version.
pub fn serve() {
    let mut input = FrameReader::new(std::io::stdin());
    let mut output = std::io::stdout();
    while let Ok(Frame::Body(body)) = input.next_frame() {
        let message: Value = serde_json::from_slice(&body).unwrap();
        let document = &message["params"]["textDocument"];
        let answer = match message["method"].as_str() {
            Some("initialize") => {
                json!({ "jsonrpc": "2.0", "id": message["id"], "result": { "capabilities": {} } })
            }
            Some("exit") => return,
            Some("textDocument/didOpen" | "textDocument/didChange") => {
                let params =
                    json!({ "uri": document["uri"], "version": document["version"], "diagnostics": [] });
                json!({ "jsonrpc": "2.0", "method": "textDocument/publishDiagnostics", "params": params })
            }
            _ if message["id"].is_null() => continue,
            _ => json!({ "jsonrpc": "2.0", "id": message["id"], "result": null }),
        };
        write_frame(&mut output, &serde_json::to_vec(&answer).unwrap()).unwrap();
        output.flush().unwrap();
    }
}
