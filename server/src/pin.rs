//! `mvm.pinImage`: the digest of each image that lacks one. Taken from an OCI layout of the workspace where one has it;
//! else its registry is asked, on the user's word, in a workspace that the user trusts, with progress and a way back.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower_lsp::jsonrpc::Error;
use tower_lsp::ls_types::*;
use vmm_core::image::oci::Reference;
use vmm_core::{Context, ErrorKind, Silent};

use crate::commands::refusal;
use crate::edge::Reply;
use crate::layout;
use crate::progress::Progress;
use crate::refactor;
use crate::session::Session;
use crate::snapshot::Snapshot;

/// What is to be pinned.
pub struct Wanted {
    /// The document.
    pub uri: Uri,
    /// This image alone.
    pub reference: Option<String>,
    /// The client's own token for progress.
    pub token: Option<ProgressToken>,
}

/// Registries that are being asked.
pub struct Pinning {
    wanted: Wanted,
    cancel: CancellationToken,
    progress: Progress,
    reply: Reply<Option<Value>>,
}

/// What registries said, by the reference as it is written.
type Said = BTreeMap<String, vmm_core::Result<String>>;

/// Those under way.
#[derive(Default)]
pub struct Pinnings {
    running: HashMap<u64, Pinning>,
    next: u64,
}

impl Pinnings {
    /// Gives up all.
    pub fn cancel_all(&self) {
        self.running.values().for_each(|p| p.cancel.cancel());
    }

    /// Gives up those whose request was cancelled.
    pub fn cancel_abandoned(&self) {
        self.running.values().filter(|p| p.reply.is_cancelled()).for_each(|p| p.cancel.cancel());
    }

    /// Gives up the one of this token.
    pub fn cancel_progress(&self, token: &ProgressToken) {
        self.running.values().filter(|p| p.progress.is(token)).for_each(|p| p.cancel.cancel());
    }

    /// The progress of one.
    pub fn progress(&mut self, id: u64) -> Option<&mut Progress> {
        self.running.get_mut(&id).map(|p| &mut p.progress)
    }
}

impl Session {
    /// `mvm.pinImage`
    pub(crate) fn pin_image(&mut self, wanted: Wanted, reply: Reply<Option<Value>>) {
        let uri = wanted.uri.clone();
        self.with_snapshot_and_reply(&uri, reply, move |session, snapshot, reply| {
            let (edits, unknown) = session.pins(&snapshot, &wanted, &Said::new());
            if edits.is_empty() && unknown.is_empty() {
                return reply.send(Err(refusal("no image here lacks a digest")));
            }
            if unknown.is_empty() {
                return session.pinned(&wanted, &snapshot, Said::new(), reply);
            }
            match session.may_ask() {
                Ok(()) => session.ask_registries(wanted, unknown, reply),
                Err(why) if edits.is_empty() => {
                    reply.send(Err(refusal(format!("{} not pinned: {why}", ticked(&unknown)))));
                }
                Err(_) => session.pinned(&wanted, &snapshot, Said::new(), reply),
            }
        });
    }

    /// May a registry be asked at all?
    fn may_ask(&self) -> Result<(), &'static str> {
        if !self.settings.trusted {
            return Err(
                "the workspace is not trusted, so no registry is asked what its image is; trust it first",
            );
        }
        // A replay must be the same every time.
        if self.settings.offline || self.deterministic {
            return Err(
                "it is in no OCI layout of the workspace, and `offline` is set, so no registry is asked",
            );
        }
        Ok(())
    }

    /// Whether *Pin this image* may be offered for what no layout has.
    pub(crate) fn offers_registries(&self) -> bool {
        self.client.applies_edits && self.may_ask().is_ok()
    }

    fn ask_registries(&mut self, mut wanted: Wanted, references: Vec<String>, reply: Reply<Option<Value>>) {
        let runtime = match self.jobs.runtime() {
            Ok(runtime) => runtime.handle().clone(),
            Err(e) => {
                let message = format!("cannot start threads: {e}");
                return reply.send(Err(Error { message: message.into(), ..Error::internal_error() }));
            }
        };
        self.pinnings.next += 1;
        let id = self.pinnings.next;
        let cancel = CancellationToken::new();
        let progress =
            Progress::new(format!("mvm asks for the digest of {}", ticked(&references)), wanted.token.take());
        let pinning = Pinning { wanted, cancel: cancel.clone(), progress, reply };
        self.pinnings.running.insert(id, pinning);
        self.begin(id, format!("mvm-pin-{id}"), |s, id| s.pinnings.progress(id));
        let (runner, inbox) = (self.runner.clone(), self.inbox.clone());
        runtime.spawn(async move {
            let mut asked = tokio::task::JoinSet::new();
            for written in references {
                let ctx = Context { reporter: std::sync::Arc::new(Silent), cancel: cancel.clone() };
                let runner = runner.clone();
                asked.spawn(async move {
                    let digest = match Reference::parse(&written, None) {
                        Ok(reference) => runner.image_digest(reference, ctx).await,
                        Err(e) => Err(e),
                    };
                    (written, digest)
                });
            }
            let mut said = Said::new();
            while let Some(done) = asked.join_next().await {
                // One that failed inside has said nothing: its image stays as it is.
                said.extend(done.ok());
            }
            inbox.task(move |s| s.registries_answered(id, said));
        });
    }

    fn registries_answered(&mut self, id: u64, said: Said) {
        let Some(Pinning { wanted, cancel, progress, reply }) = self.pinnings.running.remove(&id) else {
            return;
        };
        let found = said.values().filter(|d| d.is_ok()).count();
        let summary = match found {
            _ if cancel.is_cancelled() => "given up".to_owned(),
            1 => "1 digest".to_owned(),
            n => format!("{n} digests"),
        };
        self.end(&progress, &summary);
        if cancel.is_cancelled() {
            return reply.send(Ok(Some(json!({ "pinned": 0, "cancelled": true }))));
        }
        // The text may be another one by now: what is pinned is looked for again.
        let uri = wanted.uri.clone();
        self.with_snapshot_and_reply(&uri, reply, move |session, snapshot, reply| {
            session.pinned(&wanted, &snapshot, said, reply);
        });
    }

    fn pins(
        &self,
        snapshot: &Snapshot,
        wanted: &Wanted,
        said: &Said,
    ) -> (Vec<mvm_compiler::Edit>, Vec<String>) {
        let layouts = layout::directories(&self.roots, snapshot.path.as_deref());
        let chosen = wanted.reference.as_deref();
        refactor::pins(snapshot.source(), chosen, &|reference| {
            let asked = || said.get(reference).and_then(|d| d.as_ref().ok()).cloned();
            layout::digest_of(reference, &layouts).map(|found| found.digest).or_else(asked)
        })
    }

    /// Writes what is known, and says of the rest why it is not.
    fn pinned(&mut self, wanted: &Wanted, snapshot: &Snapshot, said: Said, reply: Reply<Option<Value>>) {
        let (edits, unknown) = self.pins(snapshot, wanted, &said);
        let reasons: Vec<String> = said
            .iter()
            .filter_map(|(reference, digest)| Some((reference, digest.as_ref().err()?)))
            .map(|(reference, e)| {
                let help = e.remedy().map(|h| format!(" — {h}")).unwrap_or_default();
                format!("`{reference}` is not pinned: {e}{help}")
            })
            .collect();
        if edits.is_empty() {
            let why = if reasons.is_empty() {
                "no image here lacks a digest".to_owned()
            } else {
                reasons.join("; ")
            };
            let kinds: Vec<ErrorKind> =
                said.values().filter_map(|d| d.as_ref().err().map(|e| e.kind())).collect();
            return reply.send(Err(Error { data: Some(json!({ "kinds": kinds })), ..refusal(why) }));
        }
        let digests: BTreeMap<&String, &String> =
            said.iter().filter_map(|(r, d)| Some((r, d.as_ref().ok()?))).collect();
        let answer = json!({ "pinned": edits.len(), "unknown": unknown, "digests": digests });
        for reason in reasons {
            self.tell(MessageType::WARNING, &format!("mvm: {reason}"));
        }
        let edit = self.workspace_edit(snapshot, &edits);
        self.apply_edit("Pin images by digest", edit, move |_, applied| {
            let mut answer = answer;
            if !applied {
                answer["pinned"] = 0.into();
            }
            reply.send(Ok(Some(answer)));
        });
    }
}

fn ticked(references: &[String]) -> String {
    references.iter().map(|r| format!("`{r}`")).collect::<Vec<_>>().join(", ")
}
