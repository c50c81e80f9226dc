//! What the client can do, in the few words that matter here, and what the server offers in return.

use tower_lsp::ls_types::*;

use crate::commands;
use crate::hints;
use crate::text::Encoding;

/// What the client can do.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// Pulls diagnostics: then none are pushed.
    pub pulls: bool,
    /// Can be asked to pull again.
    pub refreshes_diagnostics: bool,
    /// Can be asked to fetch lenses again.
    pub refreshes_lenses: bool,
    /// Shows related information.
    pub related: bool,
    /// Shows links on diagnostic codes.
    pub code_description: bool,
    /// Hands a diagnostic's data back in code actions.
    pub diagnostic_data: bool,
    /// Takes code actions as literals, not only as commands.
    pub action_literals: bool,
    /// Takes versions in edits.
    pub versioned_edits: bool,
    /// Changes documents on request.
    pub applies_edits: bool,
    /// Shows server-started progress.
    pub progress: bool,
    /// Asks before it renames files.
    pub asks_before_renames: bool,
    /// Tells of files that it has renamed.
    pub tells_of_renames: bool,
    /// Answers `workspace/configuration`.
    pub configuration: bool,
    /// Takes registrations for settings.
    pub registers_configuration: bool,
    /// Takes registrations for watched files.
    pub registers_watchers: bool,
    /// Expands snippets in completions.
    pub snippets: bool,
    /// Renders Markdown in hovers.
    pub markdown: bool,
    /// Renders Markdown beside completions.
    pub completion_markdown: bool,
    /// Shows symbols as a tree.
    pub symbol_tree: bool,
    /// Opens documents on request.
    pub shows_documents: bool,
    /// Fetches the edit of a code action when the user has chosen it.
    pub resolves_actions: bool,
    /// Asks what would be renamed before it asks for the name.
    pub prepares_rename: bool,
    /// Shows virtual documents of ours (LSP 3.18).
    pub contents: bool,
    /// Lets the user choose an answer.
    pub asks: bool,
    /// Shows `mvm/output` itself (`experimental.mvm`): the log need not repeat it.
    pub takes_output: bool,
}

impl Client {
    /// Reads the capabilities of `initialize`.
    pub fn new(c: &ClientCapabilities) -> Self {
        let text = c.text_document.clone().unwrap_or_default();
        let workspace = c.workspace.clone().unwrap_or_default();
        let window = c.window.clone().unwrap_or_default();
        let publish = text.publish_diagnostics.unwrap_or_default();
        let pull = text.diagnostic;
        let item = text.completion.and_then(|c| c.completion_item);
        let formats = text.hover.and_then(|h| h.content_format);
        let yes = |flag: Option<bool>| flag.unwrap_or(false);
        Client {
            related: yes(publish.related_information),
            code_description: yes(publish.code_description_support),
            diagnostic_data: yes(publish.data_support),
            pulls: pull.is_some(),
            refreshes_diagnostics: workspace.diagnostics.is_some_and(|d| yes(d.refresh_support)),
            refreshes_lenses: workspace.code_lens.is_some_and(|l| yes(l.refresh_support)),
            resolves_actions: text.code_action.as_ref().is_some_and(|a| {
                let edit = |r: &CodeActionCapabilityResolveSupport| r.properties.iter().any(|p| p == "edit");
                yes(a.data_support) && a.resolve_support.as_ref().is_some_and(edit)
            }),
            prepares_rename: text.rename.is_some_and(|r| yes(r.prepare_support)),
            contents: false,
            asks: window.show_message.is_some(),
            action_literals: text.code_action.is_some_and(|a| a.code_action_literal_support.is_some()),
            applies_edits: yes(workspace.apply_edit),
            asks_before_renames: workspace.file_operations.as_ref().is_some_and(|f| yes(f.will_rename)),
            tells_of_renames: workspace.file_operations.as_ref().is_some_and(|f| yes(f.did_rename)),
            versioned_edits: workspace.workspace_edit.is_some_and(|e| yes(e.document_changes)),
            progress: yes(window.work_done_progress),
            configuration: yes(workspace.configuration),
            registers_configuration: workspace
                .did_change_configuration
                .is_some_and(|d| yes(d.dynamic_registration)),
            registers_watchers: workspace
                .did_change_watched_files
                .is_some_and(|d| yes(d.dynamic_registration)),
            snippets: item.as_ref().is_some_and(|i| yes(i.snippet_support)),
            completion_markdown: item
                .and_then(|i| i.documentation_format)
                .is_some_and(|f| f.contains(&MarkupKind::Markdown)),
            markdown: formats.is_some_and(|f| f.contains(&MarkupKind::Markdown)),
            symbol_tree: text.document_symbol.is_some_and(|s| yes(s.hierarchical_document_symbol_support)),
            takes_output: c.experimental.as_ref().is_some_and(|e| e.get("mvm").is_some_and(|m| m == true)),
            shows_documents: window.show_document.is_some_and(|s| s.support),
        }
    }
}

/// What the server offers to this client.
pub fn server(client: &Client, encoding: Encoding) -> ServerCapabilities {
    let no_progress = WorkDoneProgressOptions { work_done_progress: Some(false) };
    ServerCapabilities {
        position_encoding: Some(encoding.kind()),
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            save: Some(TextDocumentSyncSaveOptions::Supported(true)),
            ..TextDocumentSyncOptions::default()
        })),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some([".", "(", ",", "\"", "'", "=", "@", "/"].map(String::from).to_vec()),
            resolve_provider: Some(false),
            ..CompletionOptions::default()
        }),
        signature_help_provider: Some(SignatureHelpOptions {
            trigger_characters: Some(vec!["(".into(), ",".into()]),
            retrigger_characters: Some(vec![")".into(), "=".into()]),
            work_done_progress_options: no_progress,
        }),
        code_action_provider: Some(if client.action_literals {
            CodeActionProviderCapability::Options(CodeActionOptions {
                code_action_kinds: Some(vec![
                    CodeActionKind::QUICKFIX,
                    CodeActionKind::REFACTOR_EXTRACT,
                    CodeActionKind::REFACTOR_REWRITE,
                    fix_all_kind(),
                ]),
                work_done_progress_options: no_progress,
                resolve_provider: Some(client.resolves_actions),
            })
        } else {
            CodeActionProviderCapability::Simple(true)
        }),
        code_lens_provider: Some(CodeLensOptions { resolve_provider: Some(false) }),
        document_symbol_provider: Some(OneOf::Left(true)),
        workspace_symbol_provider: Some(OneOf::Left(true)),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        document_highlight_provider: Some(OneOf::Left(true)),
        document_link_provider: Some(DocumentLinkOptions {
            resolve_provider: Some(false),
            work_done_progress_options: no_progress,
        }),
        rename_provider: Some(if client.prepares_rename {
            OneOf::Right(RenameOptions {
                prepare_provider: Some(true),
                work_done_progress_options: no_progress,
            })
        } else {
            OneOf::Left(true)
        }),
        selection_range_provider: Some(SelectionRangeProviderCapability::Simple(true)),
        inlay_hint_provider: Some(OneOf::Left(true)),
        semantic_tokens_provider: Some(SemanticTokensServerCapabilities::SemanticTokensOptions(
            SemanticTokensOptions {
                work_done_progress_options: no_progress,
                legend: SemanticTokensLegend {
                    token_types: hints::TOKEN_TYPES.to_vec(),
                    token_modifiers: Vec::new(),
                },
                range: Some(true),
                full: Some(SemanticTokensFullOptions::Bool(true)),
            },
        )),
        folding_range_provider: Some(FoldingRangeProviderCapability::Simple(true)),
        execute_command_provider: Some(ExecuteCommandOptions {
            commands: commands::ALL.iter().map(|&c| c.into()).collect(),
            work_done_progress_options: WorkDoneProgressOptions { work_done_progress: Some(true) },
        }),
        diagnostic_provider: client.pulls.then(|| {
            DiagnosticServerCapabilities::Options(DiagnosticOptions {
                identifier: Some("mvm".into()),
                inter_file_dependencies: true,
                workspace_diagnostics: true,
                work_done_progress_options: no_progress,
            })
        }),
        workspace: Some(WorkspaceServerCapabilities {
            workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                supported: Some(true),
                change_notifications: Some(OneOf::Left(true)),
            }),
            file_operations: Some(WorkspaceFileOperationsServerCapabilities {
                will_rename: client.asks_before_renames.then(renamed),
                did_rename: client.tells_of_renames.then(renamed),
                ..WorkspaceFileOperationsServerCapabilities::default()
            })
            .filter(|o| o.will_rename.is_some() || o.did_rename.is_some()),
        }),
        experimental: Some(serde_json::json!({ "workloadIr": true })),
        ..ServerCapabilities::default()
    }
}

/// Renames that a declaration may have to follow: of any file, since any may be a lockfile, and of directories.
fn renamed() -> FileOperationRegistrationOptions {
    let pattern = FileOperationPattern { glob: "**".into(), ..FileOperationPattern::default() };
    FileOperationRegistrationOptions {
        filters: vec![FileOperationFilter { scheme: Some("file".into()), pattern }],
    }
}

/// `source.fixAll.mvm`
pub fn fix_all_kind() -> CodeActionKind {
    CodeActionKind::new("source.fixAll.mvm")
}
