//! Builds and runs in flight: on a runtime of their own, results come back as messages to the loop. Each reports
//! progress, can be cancelled in every way the protocol has, and ends with one clear result.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_lsp::jsonrpc::Error;
use tower_lsp::ls_types::*;
use vmm_core::machine::Output;
use vmm_core::{Context, ErrorKind, Event, Reporter, Stage};

use crate::ahead::{self, Ahead};
use crate::edge::Reply;
use crate::inbox::Inbox;
use crate::outbox::Key;
use crate::protocol::OutputParams;
use crate::runner::{JobKind, JobRequest, JobResult, shorten};
use crate::session::Session;

/// Output that waits for the loop beyond this is dropped and counted.
const OUTPUT_LIMIT: usize = 256 << 10;

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
    token: Option<ProgressToken>,
    begun: bool,
    message: String,
    task: JoinHandle<()>,
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

/// What a job's threads share with the loop: the newest of its news, bounded.
#[derive(Default)]
struct News {
    message: Option<(String, Option<u32>)>,
    notes: Vec<String>,
    output: Vec<Output>,
    bytes: usize,
    dropped: usize,
    announced: bool,
}

struct Live {
    news: Mutex<News>,
    inbox: Inbox,
    job: u64,
}

impl Live {
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut News)) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut news);
        // One message to the loop stands for all news until the loop has taken them.
        if !std::mem::replace(&mut news.announced, true) {
            let job = self.job;
            self.inbox.task(move |s| s.job_news(job));
        }
    }

    fn take(&self) -> News {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn output(self: &Arc<Self>, output: Output) {
        self.change(|news| {
            if news.bytes + output.text.len() > OUTPUT_LIMIT {
                news.dropped += output.text.len();
                return;
            }
            news.bytes += output.text.len();
            match news.output.last_mut() {
                Some(last) if last.stream == output.stream => last.text.push_str(&output.text),
                _ => news.output.push(output),
            }
        });
    }
}

struct JobReporter(Arc<Live>);

impl Reporter for JobReporter {
    fn report(&self, event: Event) {
        self.0.change(|news| match event {
            Event::Started { stage, detail } => {
                let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
                news.message = Some((format!("{}{detail}", describe(stage)), None));
            }
            Event::Progress { stage, done, total } => {
                let percent = done.saturating_mul(100).checked_div(total).map(|p| p.min(100) as u32);
                news.message = Some((describe(stage).to_owned(), percent));
            }
            Event::Finished { .. } => {}
            Event::Note(note) => news.notes.push(note),
        });
    }
}

fn describe(stage: Stage) -> &'static str {
    match stage {
        Stage::Collect => "collecting files",
        Stage::Resolve => "resolving packages",
        Stage::Fetch => "fetching packages",
        Stage::Image => "writing the base layer",
        Stage::Dependencies => "writing dependencies",
        Stage::Source => "packing the source",
        Stage::Prepare => "running hooks",
        Stage::Kernel => "preparing the kernel",
        Stage::Boot => "booting",
        Stage::Call => "calling the function",
        Stage::Stop => "stopping",
    }
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
        let jobs = self.running.values_mut().map(|job| &mut job.task);
        for task in jobs.chain(&mut tasks) {
            let _ = runtime.block_on(task);
        }
    }

    /// Waits, so long at most, until no job is left.
    pub fn wait(&mut self, limit: Duration) {
        let Some(runtime) = self.runtime.take() else { return };
        let end = Instant::now() + limit;
        let ahead = self.ahead_tasks();
        for task in self.running.drain().map(|(_, job)| job.task).chain(ahead) {
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
        let live = Arc::new(Live { news: Mutex::default(), inbox: self.inbox.clone(), job: id });
        let cancel = CancellationToken::new();
        let sink = live.clone();
        request.output = Arc::new(move |output| sink.output(output));
        let (kind, asked) = (request.kind, request.clone());
        let ctx = Context { reporter: Arc::new(JobReporter(live.clone())), cancel: cancel.clone() };
        let future = self.runner.start(request, ctx);
        let inbox = self.inbox.clone();
        let runtime = match self.jobs.runtime() {
            Ok(runtime) => runtime,
            Err(e) => {
                let message = format!("cannot start threads for the {}: {e}", kind.verb());
                return reply.send(Err(Error { message: message.into(), ..Error::internal_error() }));
            }
        };
        let work = runtime.spawn(future);
        let task = runtime.spawn(async move {
            let result = work.await.unwrap_or_else(|e| {
                Err(vmm_core::Error::new(ErrorKind::Internal, format!("the job failed inside: {e}")))
            });
            inbox.task(move |s| s.job_ended(id, result));
        });
        let message = format!("{} {name}", kind.verb());
        let job =
            Job { kind, uri, name, cancel, reply, token, begun: false, message, task, live, request: asked };
        self.jobs.running.insert(id, job);
        self.begin_progress(id);
        self.lenses_changed();
    }

    fn begin_progress(&mut self, id: u64) {
        let Some(job) = self.jobs.running.get_mut(&id) else { return };
        if job.token.is_some() {
            return self.progress_begins(id);
        }
        if !self.client.progress {
            return;
        }
        let token = ProgressToken::String(format!("mvm-job-{id}"));
        job.token = Some(token.clone());
        self.request("window/workDoneProgress/create", json!({ "token": token }), move |s, answer| {
            match answer {
                Some(_) => s.progress_begins(id),
                // The client refused the token: no progress then.
                None => s.jobs.running.get_mut(&id).into_iter().for_each(|j| j.token = None),
            }
        });
    }

    fn progress_begins(&mut self, id: u64) {
        let Some(job) = self.jobs.running.get_mut(&id) else { return };
        let Some(token) = job.token.clone() else { return };
        job.begun = true;
        let title = format!("mvm {} {}", job.kind.verb(), job.name);
        let value = json!({ "kind": "begin", "title": title, "message": job.message, "cancellable": true });
        self.notify("$/progress", &json!({ "token": token, "value": value }), None);
    }

    /// `window/workDoneProgress/cancel`
    pub fn cancel_progress(&mut self, token: &ProgressToken) {
        let meant = self.jobs.running.values().filter(|j| j.token.as_ref() == Some(token));
        meant.for_each(|j| j.cancel.cancel());
    }

    fn job_news(&mut self, id: u64) {
        let Some(job) = self.jobs.running.get_mut(&id) else { return };
        let news = job.live.take();
        if let Some((message, percent)) = &news.message {
            job.message.clone_from(message);
            if let (Some(token), true) = (job.token.clone(), job.begun) {
                let mut value = json!({ "kind": "report", "message": message, "cancellable": true });
                if let Some(percent) = percent {
                    value["percentage"] = json!(percent);
                }
                let key = Key::Progress(format!("{token:?}"));
                self.notify("$/progress", &json!({ "token": token, "value": value }), Some(key));
            }
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
        if let (Some(token), true) = (&job.token, job.begun) {
            let value = json!({ "kind": "end", "message": summary });
            self.notify("$/progress", &json!({ "token": token, "value": value }), None);
        }
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
