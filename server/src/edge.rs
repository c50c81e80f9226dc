//! The tower layer: typed handlers that hand messages to the ordered loop and wait for its reply, and nothing else.
//! No handler holds state, none awaits the client.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::oneshot;
use tower_lsp::jsonrpc::{Error, Result};
use tower_lsp::ls_types::*;
use tower_lsp::{LanguageServer, LspService};

use crate::protocol::{ContentParams, TrustParams, WorkloadIrParams};
use crate::session::Session;

/// Work for the loop.
pub type Task = Box<dyn FnOnce(&mut Session) + Send>;

/// Tasks in the order their messages arrived.
pub type Tasks = Arc<Mutex<VecDeque<Task>>>;

/// Where the answer to a request goes. Dropped unanswered, it becomes an internal error.
pub struct Reply<T> {
    sender: oneshot::Sender<Result<T>>,
}

impl<T> Reply<T> {
    /// Answers.
    pub fn send(self, answer: Result<T>) {
        // A cancelled request has been answered already.
        let _ = self.sender.send(answer);
    }

    /// The client no longer waits.
    pub fn is_cancelled(&self) -> bool {
        self.sender.is_closed()
    }
}

/// The handlers.
pub struct Edge {
    tasks: Tasks,
}

impl Edge {
    /// The service and the queue that its handlers fill.
    pub fn service() -> (LspService<Edge>, Tasks) {
        let tasks = Tasks::default();
        let edge = Edge { tasks: tasks.clone() };
        let (service, _client_socket) = LspService::build(|_client| edge)
            .custom_method("mvm/workloadIr", Edge::workload_ir)
            .custom_method("window/workDoneProgress/cancel", Edge::work_done_progress_cancel)
            .custom_method("$/setTrace", Edge::set_trace)
            .custom_method("workspace/textDocumentContent", Edge::text_document_content)
            .custom_method("mvm/setTrust", Edge::set_trust)
            .finish();
        (service, tasks)
    }

    fn push(&self, task: Task) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push_back(task);
    }

    /// A notification.
    fn tell(&self, task: impl FnOnce(&mut Session) + Send + 'static) -> impl Future<Output = ()> + Send {
        self.push(Box::new(task));
        std::future::ready(())
    }

    /// A request: the loop gets the task and answers through the reply, now or later.
    async fn ask<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Session, Reply<T>) + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        self.push(Box::new(move |session| task(session, Reply { sender })));
        receiver.await.unwrap_or_else(|_| {
            Err(Error { message: "this request failed inside the server".into(), ..Error::internal_error() })
        })
    }

    async fn workload_ir(&self, params: WorkloadIrParams) -> Result<Value> {
        self.ask(move |s, reply| s.workload_ir(params, reply)).await
    }

    async fn work_done_progress_cancel(&self, params: WorkDoneProgressCancelParams) {
        self.tell(move |s| s.cancel_progress(&params.token)).await;
    }

    async fn set_trace(&self, _: SetTraceParams) {}

    async fn text_document_content(&self, params: ContentParams) -> Result<Value> {
        self.ask(move |s, reply| s.text_document_content(&params, reply)).await
    }

    async fn set_trust(&self, params: TrustParams) {
        self.tell(move |s| s.set_trust(params.trusted)).await;
    }
}

/// Handlers whose answer is at hand when the loop looks at the request.
macro_rules! answered {
    ($($name:ident($params:ty) -> $result:ty;)*) => {
        $(async fn $name(&self, params: $params) -> Result<$result> {
            self.ask(move |s, reply| reply.send(s.$name(params))).await
        })*
    };
}

/// Handlers that need the analysis of a document, which may take a while for a large one.
macro_rules! analysed {
    ($($name:ident($params:ty) at $($uri:ident).+ -> $result:ty;)*) => {
        $(async fn $name(&self, params: $params) -> Result<$result> {
            self.ask(move |s, reply| {
                let uri = params.$($uri).+.clone();
                s.with_snapshot(&uri, reply, move |s, snapshot| s.$name(&snapshot, params));
            }).await
        })*
    };
}

/// Handlers that look at other files of the workspace, too.
macro_rules! across {
    ($($name:ident($params:ty) at $($uri:ident).+ -> $result:ty;)*) => {
        $(async fn $name(&self, params: $params) -> Result<$result> {
            self.ask(move |s, reply| s.with_workspace(reply, move |s, reply| {
                let uri = params.$($uri).+.clone();
                s.with_snapshot(&uri, reply, move |s, snapshot| s.$name(&snapshot, params));
            })).await
        })*
    };
}

macro_rules! told {
    ($($name:ident($params:ty);)*) => {
        $(async fn $name(&self, params: $params) {
            self.tell(move |s| s.$name(params)).await;
        })*
    };
}

impl LanguageServer for Edge {
    answered! {
        initialize(InitializeParams) -> InitializeResult;
        completion(CompletionParams) -> Option<CompletionResponse>;
        signature_help(SignatureHelpParams) -> Option<SignatureHelp>;
    }
    analysed! {
        hover(HoverParams) at text_document_position_params.text_document.uri -> Option<Hover>;
        code_action(CodeActionParams) at text_document.uri -> Option<CodeActionResponse>;
        code_lens(CodeLensParams) at text_document.uri -> Option<Vec<CodeLens>>;
        document_symbol(DocumentSymbolParams) at text_document.uri -> Option<DocumentSymbolResponse>;
        document_link(DocumentLinkParams) at text_document.uri -> Option<Vec<DocumentLink>>;
        document_highlight(DocumentHighlightParams) at text_document_position_params.text_document.uri -> Option<Vec<DocumentHighlight>>;
        folding_range(FoldingRangeParams) at text_document.uri -> Option<Vec<FoldingRange>>;
        selection_range(SelectionRangeParams) at text_document.uri -> Option<Vec<SelectionRange>>;
        inlay_hint(InlayHintParams) at text_document.uri -> Option<Vec<InlayHint>>;
        semantic_tokens_full(SemanticTokensParams) at text_document.uri -> Option<SemanticTokensResult>;
        semantic_tokens_range(SemanticTokensRangeParams) at text_document.uri -> Option<SemanticTokensRangeResult>;
        prepare_rename(TextDocumentPositionParams) at text_document.uri -> Option<PrepareRenameResponse>;
        diagnostic(DocumentDiagnosticParams) at text_document.uri -> DocumentDiagnosticReportResult;
    }
    across! {
        goto_definition(GotoDefinitionParams) at text_document_position_params.text_document.uri -> Option<GotoDefinitionResponse>;
        references(ReferenceParams) at text_document_position.text_document.uri -> Option<Vec<Location>>;
        rename(RenameParams) at text_document_position.text_document.uri -> Option<WorkspaceEdit>;
    }
    told! {
        initialized(InitializedParams);
        did_open(DidOpenTextDocumentParams);
        did_change(DidChangeTextDocumentParams);
        did_save(DidSaveTextDocumentParams);
        did_close(DidCloseTextDocumentParams);
        did_change_configuration(DidChangeConfigurationParams);
        did_change_workspace_folders(DidChangeWorkspaceFoldersParams);
        did_change_watched_files(DidChangeWatchedFilesParams);
        did_rename_files(RenameFilesParams);
    }

    async fn shutdown(&self) -> Result<()> {
        self.ask(|s, reply| reply.send(s.shutdown())).await
    }

    async fn symbol(&self, params: WorkspaceSymbolParams) -> Result<Option<WorkspaceSymbolResponse>> {
        self.ask(move |s, reply| {
            s.with_workspace(reply, move |s, reply| reply.send(Ok(s.symbol(&params))));
        })
        .await
    }

    async fn will_rename_files(&self, params: RenameFilesParams) -> Result<Option<WorkspaceEdit>> {
        self.ask(move |s, reply| {
            s.with_workspace(reply, move |s, reply| reply.send(Ok(s.will_rename_files(&params))));
        })
        .await
    }

    async fn workspace_diagnostic(
        &self,
        params: WorkspaceDiagnosticParams,
    ) -> Result<WorkspaceDiagnosticReportResult> {
        self.ask(move |s, reply| s.workspace_diagnostic(params, reply)).await
    }

    async fn code_action_resolve(&self, action: CodeAction) -> Result<CodeAction> {
        self.ask(move |s, reply| s.code_action_resolve(action, reply)).await
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> Result<Option<Value>> {
        self.ask(move |s, reply| s.execute_command(params, reply)).await
    }
}
