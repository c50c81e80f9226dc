//! Builds and runs in flight: on a runtime of their own, results come back as messages to the loop. Each reports
//! progress, can be cancelled in every way the protocol has, and ends with one clear result.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_lsp::jsonrpc::Error;
use tower_lsp::ls_types::*;
use vmm_core::machine::Output;
use vmm_core::{Context, ErrorKind};

use crate::ahead::{self, Ahead};
use crate::edge::Reply;
use crate::news::{JobReporter, Live, News};
use crate::progress::Progress;
use crate::protocol::OutputParams;
use crate::runner::{JobFuture, JobKind, JobRequest, JobResult, shorten};
use crate::session::Session;

/// A job to start.
pub struct NewJob {
    /// What to do.
    pub request: JobRequest,
    /// The declaring file.
    pub uri: Uri,
    /// The declaration.
    pub name: String,
    /// The client's own token for progress.
    pub token: Option<ProgressToken>,
    /// Where the result goes.
    pub reply: Reply<Option<Value>>,
}

struct Job {
    kind: JobKind,
    uri: Uri,
    name: String,
    cancel: CancellationToken,
    reply: Reply<Option<Value>>,
    progress: Progress,
    task: Option<JoinHandle<()>>,
    live: Arc<Live>,
    /// What was asked for.
    request: JobRequest,
}

/// Jobs, their runtime and what is remembered of earlier ones.
#[derive(Default)]
pub struct Jobs {
    running: HashMap<u64, Job>,
    next: u64,
    runtime: Option<Runtime>,
    pub(crate) ahead: Vec<Ahead>,
    last_results: HashMap<(Uri, String), String>,
    last_arguments: HashMap<(Uri, String), Value>,
}

impl JobKind {
    fn verb(self) -> &'static str {
        match self {
            JobKind::Build => "build",
            JobKind::Run => "run",
        }
    }
}

impl Jobs {
    /// What runs for a declaration: `build` or `run`.
    pub fn running_for(&self, uri: &Uri, name: &str) -> Option<&'static str> {
        self.running.values().find(|j| &j.uri == uri && j.name == name).map(|j| j.kind.verb())
    }

    /// How the last one ended, in a few words.
    pub fn last_result(&self, uri: &Uri, name: &str) -> Option<&str> {
        self.last_results.get(&(uri.clone(), name.to_owned())).map(String::as_str)
    }

    /// Arguments of the last run.
    pub fn last_arguments(&self, uri: &Uri, name: &str) -> Option<&Value> {
        self.last_arguments.get(&(uri.clone(), name.to_owned()))
    }

    /// Keeps the arguments of a run.
    pub fn remember_arguments(&mut self, uri: &Uri, name: &str, arguments: Value) {
        self.last_arguments.insert((uri.clone(), name.to_owned()), arguments);
    }

    /// Cancels those that are meant; returns how many.
    pub fn stop(&mut self, meant: impl Fn(u64, &Uri, &str) -> bool) -> usize {
        let chosen = self.running.iter().filter(|(id, j)| meant(**id, &j.uri, &j.name));
        chosen.map(|(_, job)| job.cancel.cancel()).count()
    }

    /// Whether anything runs that somebody asked for.
    pub(crate) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// Cancels all.
    pub fn cancel_all(&mut self) {
        self.give_up_ahead();
        self.running.values().for_each(|j| j.cancel.cancel());
    }

    /// Cancels those whose request was cancelled.
    pub fn cancel_abandoned(&self) {
        self.running.values().filter(|j| j.reply.is_cancelled()).for_each(|j| j.cancel.cancel());
    }

    /// Waits until every job has said how it ended.
    pub fn settle(&mut self) {
        let mut tasks = self.ahead_tasks();
        let Some(runtime) = &self.runtime else { return };
        let jobs = self.running.values_mut().filter_map(|job| job.task.as_mut());
        for task in jobs.chain(&mut tasks) {
            let _ = runtime.block_on(task);
        }
    }

    /// Waits, so long at most, until no job is left.
    pub fn wait(&mut self, limit: Duration) {
        let Some(runtime) = self.runtime.take() else { return };
        let end = Instant::now() + limit;
        let ahead = self.ahead_tasks();
        for task in self.running.drain().filter_map(|(_, job)| job.task).chain(ahead) {
            let left = end.saturating_duration_since(Instant::now());
            // Late or not, there is nobody left to tell.
            let _ = runtime.block_on(async { tokio::time::timeout(left, task).await });
        }
        runtime.shutdown_timeout(Duration::from_millis(200));
    }

    pub(crate) fn runtime(&mut self) -> std::io::Result<&Runtime> {
        if self.runtime.is_none() {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("jobs")
                .enable_all()
                .build()?;
            self.runtime = Some(runtime);
        }
        self.runtime.as_ref().ok_or_else(|| std::io::Error::other("no runtime"))
    }
}

impl Session {
    /// Starts a job; its reply is sent when it ends.
    pub(crate) fn start_job(&mut self, new: NewJob) {
        let NewJob { mut request, uri, name, token, reply } = new;
        if let Some(verb) = self.jobs.running_for(&uri, &name) {
            let message = format!("a {verb} of `{name}` is under way; stop it first");
            self.tell(MessageType::WARNING, &format!("mvm: {message}"));
            return reply.send(Err(Error::invalid_params(message)));
        }
        self.jobs.give_up_ahead();
        self.jobs.next += 1;
        let id = self.jobs.next;
        let live = Live::new(self.inbox.clone(), id);
        let cancel = CancellationToken::new();
        let sink = live.clone();
        request.output = Arc::new(move |output| sink.output(output));
        let kind = request.kind;
        let ctx = Context { reporter: Arc::new(JobReporter(live.clone())), cancel: cancel.clone() };
        if let Err(e) = self.jobs.runtime() {
            let message = format!("cannot start threads for the {}: {e}", kind.verb());
            return reply.send(Err(Error { message: message.into(), ..Error::internal_error() }));
        }
        let progress = Progress::new(format!("mvm {} {name}", kind.verb()), token);
        let progress = progress.saying(format!("{} {name}", kind.verb()));
        let (task, asked) = (None, request.clone());
        let job = Job { kind, uri, name, cancel, reply, progress, task, live, request: asked };
        self.jobs.running.insert(id, job);
        // The user sees that something happens before anything that may be slow is asked.
        self.begin(id, format!("mvm-job-{id}"), |s, id| s.jobs.running.get_mut(&id).map(|j| &mut j.progress));
        self.lenses_changed();
        let runner = self.runner.clone();
        match catch_unwind(AssertUnwindSafe(|| runner.start(request, ctx))) {
            Ok(future) => self.follow(id, future),
            Err(payload) => {
                if let Some(job) = self.jobs.running.remove(&id) {
                    self.end(&job.progress, "failed inside");
                }
                self.lenses_changed();
                // Its request, whose reply is dropped here, fails; the loop reports it.
                resume_unwind(payload);
            }
        }
    }

    /// Has a job's work done; its end comes back as a message.
    fn follow(&mut self, id: u64, future: JobFuture) {
        let inbox = self.inbox.clone();
        let Ok(runtime) = self.jobs.runtime() else { return };
        let work = runtime.spawn(future);
        let task = runtime.spawn(async move {
            let result = work.await.unwrap_or_else(|e| {
                Err(vmm_core::Error::new(ErrorKind::Internal, format!("the job failed inside: {e}")))
            });
            inbox.task(move |s| s.job_ended(id, result));
        });
        if let Some(job) = self.jobs.running.get_mut(&id) {
            job.task = Some(task);
        }
    }

    /// `window/workDoneProgress/cancel`
    pub fn cancel_progress(&mut self, token: &ProgressToken) {
        let meant = self.jobs.running.values().filter(|j| j.progress.is(token));
        meant.for_each(|j| j.cancel.cancel());
        self.pinnings.cancel_progress(token);
    }

    pub(crate) fn job_news(&mut self, id: u64) {
        let Some(job) = self.jobs.running.get_mut(&id) else { return };
        let news = job.live.take();
        if let Some((message, percent)) = &news.message {
            job.progress.now(message);
            let progress = job.progress.clone();
            self.report(&progress, *percent);
        }
        self.show_news(id, news);
    }

    fn show_news(&mut self, id: u64, news: News) {
        let Some(job) = self.jobs.running.get(&id) else { return };
        let (uri, name) = (job.uri.clone(), job.name.clone());
        let mut output = news.output;
        for note in news.notes {
            self.log(MessageType::INFO, &format!("{name}: {note}"));
            output.push(Output { stream: "mvm".into(), text: format!("{note}\n") });
        }
        if news.dropped > 0 {
            let text = format!("[{} bytes of output left out: more than can be shown]\n", news.dropped);
            output.push(Output { stream: "mvm".into(), text });
        }
        for Output { stream, text } in output {
            if !self.client.takes_output {
                self.log(MessageType::LOG, &format!("{name} {stream}: {}", text.trim_end()));
            }
            let params = OutputParams { job: id, uri: uri.clone(), name: name.clone(), stream, text };
            self.outbox.note(&json!({ "jsonrpc": "2.0", "method": "mvm/output", "params": params }));
        }
    }

    fn job_ended(&mut self, id: u64, result: vmm_core::Result<JobResult>) {
        self.job_news(id);
        let Some(job) = self.jobs.running.remove(&id) else { return };
        let again = ahead::worth_it(&job.request, &result);
        let (value, summary, kind) = conclusion(id, &job, result);
        self.end(&job.progress, &summary);
        self.tell(kind, &format!("mvm: {summary}"));
        self.jobs.last_results.insert((job.uri, job.name), shorten(&summary, 60));
        job.reply.send(Ok(Some(value)));
        self.lenses_changed();
        again.into_iter().for_each(|request| self.make_ready(request));
    }

    pub(crate) fn lenses_changed(&mut self) {
        if self.client.refreshes_lenses {
            self.refresh("workspace/codeLens/refresh");
        }
    }
}

fn conclusion(id: u64, job: &Job, result: vmm_core::Result<JobResult>) -> (Value, String, MessageType) {
    let mut value = json!({ "job": id, "kind": job.kind.verb(), "name": job.name, "success": false });
    match result {
        Ok(done) => {
            value["success"] = done.success.into();
            value["summary"] = done.summary.clone().into();
            value["details"] = done.details;
            let kind = if done.success { MessageType::INFO } else { MessageType::WARNING };
            (value, done.summary, kind)
        }
        Err(e) if e.kind() == ErrorKind::Cancelled => {
            let summary = format!("{} of {} cancelled", job.kind.verb(), job.name);
            value["cancelled"] = true.into();
            value["summary"] = summary.clone().into();
            (value, summary, MessageType::INFO)
        }
        Err(e) => {
            let help = e.remedy().map(|h| format!(" — {h}")).unwrap_or_default();
            let summary = format!("{} of {} failed: {e}{help}", job.kind.verb(), job.name);
            value["summary"] = summary.clone().into();
            value["error"] = json!({ "kind": e.kind(), "message": e.to_string(), "help": e.remedy() });
            (value, summary, MessageType::ERROR)
        }
    }
}
