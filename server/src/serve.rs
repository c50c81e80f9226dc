//! The ordered loop: one thread that takes messages in arrival order, hands them through the tower service to the
//! session, and puts what comes out into the outbox. It waits for nothing but the next message.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tower_lsp::jsonrpc::{Error, ErrorCode, Id, Request, Response};
use tower_lsp::ls_types::MessageType;
use tower_lsp::{ExitedError, LspService};
use tower_service::Service;

use crate::content::SCHEME;
use crate::edge::{Edge, Tasks};
use crate::inbox::{Event, Inbox};
use crate::message::{invalid, parse};
use crate::outbox::Outbox;
use crate::record::Recorder;
use crate::runner::Runner;
use crate::session::Session;
use crate::wire::{self, Frame, FrameReader};

/// Changes are looked at together when they arrive in a burst, but a client that never pauses waits no longer.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// How long what was started may take to stop when the session ends.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How long a client may take to read the last answers.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

type Answer = Pin<Box<dyn Future<Output = Result<Option<Response>, ExitedError>> + Send>>;

/// Serves one client until it says `exit` or is gone; returns the exit code that the protocol asks for.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    runner: Arc<dyn Runner>,
) -> i32 {
    serve_recorded(input, output, runner, None)
}

/// The same, with a recording of what passes.
pub fn serve_recorded(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    runner: Arc<dyn Runner>,
    recorder: Option<Recorder>,
) -> i32 {
    let inbox = Inbox::default();
    let outbox = Outbox::new();
    let output: Box<dyn Write + Send> = match &recorder {
        Some(recorder) => Box::new(recorder.writer(output)),
        None => Box::new(output),
    };
    let started =
        spawn_reader(input, inbox.clone(), recorder).and_then(|_| spawn_writer(output, &outbox, &inbox));
    let Ok(writer) = started else { return 4 };

    let session = Session::new(inbox.clone(), outbox.clone(), runner);
    let code = Loop::new(session, inbox, outbox.clone()).run();
    outbox.drain(DRAIN_LIMIT);
    outbox.close();
    if !outbox.is_broken() && outbox.bytes() == 0 {
        let _ = writer.join();
    }
    code
}

/// A server that is driven by hand: a message in, what is said out, nothing beside the caller's thread.
pub struct Stepper {
    inner: Loop,
}

impl Stepper {
    /// A session that waits for `initialize`.
    pub fn new(runner: Arc<dyn Runner>) -> Self {
        let (inbox, outbox) = (Inbox::default(), Outbox::new());
        let mut session = Session::new(inbox.clone(), outbox.clone(), runner);
        session.deterministic = true;
        Stepper { inner: Loop::new(session, inbox, outbox) }
    }

    /// Works one message off, and all that follows from it; `Some` is the exit code.
    pub fn step(&mut self, body: &[u8]) -> Option<i32> {
        let mut event = Event::Frame(body.to_vec());
        loop {
            if let Some(code) = self.inner.handle(event) {
                self.inner.session.stop_everything(STOP_LIMIT);
                return Some(code);
            }
            self.inner.guarded(Session::settle);
            self.inner.poll_pending();
            event = self.inner.inbox.try_pop()?;
        }
    }

    /// What was said since the last time.
    pub fn said(&self) -> Vec<Vec<u8>> {
        self.inner.outbox.take()
    }
}

fn spawn_reader(
    input: impl Read + Send + 'static,
    inbox: Inbox,
    recorder: Option<Recorder>,
) -> std::io::Result<thread::JoinHandle<()>> {
    let read = move || {
        let mut reader = FrameReader::new(input);
        loop {
            match reader.next_frame() {
                Ok(Frame::Body(body)) => {
                    if let Some(recorder) = &recorder {
                        recorder.client(&body);
                    }
                    inbox.push(Event::Frame(body));
                }
                Ok(Frame::Garbage(why)) => inbox.push(Event::Garbage(why)),
                Ok(Frame::TooLarge(length, head)) => inbox.push(Event::TooLarge(length, head)),
                Ok(Frame::End | Frame::Truncated) | Err(_) => return inbox.push(Event::End),
            }
        }
    };
    thread::Builder::new().name("reader".into()).spawn(read)
}

fn spawn_writer(
    output: impl Write + Send + 'static,
    outbox: &Outbox,
    inbox: &Inbox,
) -> std::io::Result<thread::JoinHandle<()>> {
    let (outbox, inbox) = (outbox.clone(), inbox.clone());
    let write = move || outbox.write_to(output, || inbox.push(Event::Gone("the client does not read")));
    thread::Builder::new().name("writer".into()).spawn(write)
}

struct Loop {
    session: Session,
    service: LspService<Edge>,
    tasks: Tasks,
    pending: Vec<(Option<Id>, Answer)>,
    /// The request that asked for our capabilities.
    initialize: Option<Id>,
    /// It was answered well.
    initialized: bool,
    inbox: Inbox,
    outbox: Outbox,
}

impl Loop {
    fn new(session: Session, inbox: Inbox, outbox: Outbox) -> Self {
        let (service, tasks) = Edge::service();
        Loop {
            session,
            service,
            tasks,
            pending: Vec::new(),
            initialize: None,
            initialized: false,
            inbox,
            outbox,
        }
    }

    fn run(mut self) -> i32 {
        let mut busy_since = Instant::now();
        loop {
            let event = match self.inbox.try_pop() {
                Some(event) if busy_since.elapsed() < LONGEST_WAIT => event,
                event => {
                    self.guarded(Session::idle);
                    self.poll_pending();
                    let event = event.unwrap_or_else(|| self.inbox.pop());
                    busy_since = Instant::now();
                    event
                }
            };
            if let Some(code) = self.handle(event) {
                self.session.stop_everything(STOP_LIMIT);
                return code;
            }
        }
    }

    /// `Some` is the exit code.
    fn handle(&mut self, event: Event) -> Option<i32> {
        match event {
            Event::Frame(body) => return self.frame(&body),
            Event::Garbage(why) => {
                self.respond_error(Id::Null, Error { message: why.into(), ..Error::parse_error() });
            }
            Event::TooLarge(length, head) => self.too_large(length, &head),
            Event::End => return Some(self.exit_code()),
            Event::Gone(why) => {
                eprintln!("mvm-lsp: ending, {why}");
                return Some(self.exit_code());
            }
            Event::Task(task) => {
                self.guarded(task);
                self.run_tasks();
            }
        }
        self.poll_pending();
        None
    }

    fn exit_code(&self) -> i32 {
        i32::from(!self.session.is_shut_down())
    }

    /// Left out, and told: to who asked, and to the user where the texts of the two sides differ now.
    fn too_large(&mut self, length: u64, head: &[u8]) {
        let why =
            format!("a message of {length} bytes was left out; the limit is {} MB", wire::MAX_BODY >> 20);
        let method = wire::member(head, "method");
        if method.is_some_and(|m| m.as_str().is_some_and(|m| m.starts_with("textDocument/did"))) {
            let text =
                format!("mvm: {why}. What is said of its document is wrong until that is opened again");
            self.session.tell_once(MessageType::WARNING, text);
        }
        let id = wire::member(head, "id").and_then(|id| serde_json::from_value(id).ok());
        let error = Error { message: why.into(), ..Error::parse_error() };
        match id {
            Some(id) => self.respond_error(id, Error { code: ErrorCode::ServerError(-32803), ..error }),
            None => self.respond_error(Id::Null, error),
        }
    }

    fn frame(&mut self, body: &[u8]) -> Option<i32> {
        let message = match parse(body) {
            Ok(message) => message,
            Err((id, error)) => {
                self.respond_error(id, error);
                return None;
            }
        };
        let id = match message.id.map(serde_json::from_value::<Id>).transpose() {
            Ok(id) => id,
            Err(_) => {
                self.respond_error(Id::Null, invalid("`id` is neither a number nor a string"));
                return None;
            }
        };
        if message.jsonrpc.as_deref() != Some("2.0") {
            self.respond_error(id.unwrap_or_default(), invalid("`jsonrpc` is not \"2.0\""));
            return None;
        }
        let Some(method) = message.method else {
            match (id, message.result, message.error) {
                (Some(id), result @ Some(_), None) | (Some(id), result, Some(_)) => {
                    self.guarded(move |s| s.client_answered(&id, result));
                    self.poll_pending();
                }
                (id, ..) => {
                    self.respond_error(id.unwrap_or_default(), invalid("neither `method` nor `result`"))
                }
            }
            return None;
        };
        if method == "exit" && id.is_none() {
            return Some(self.exit_code());
        }
        match self.untimely(&method, id.as_ref()) {
            Some(error) => id.into_iter().for_each(|id| self.respond_error(id, error.clone())),
            None => self.call(method, id, message.params),
        }
        None
    }

    /// Why a message must not be looked at now. The service would say so in fewer words, or end its own life over it.
    fn untimely(&self, method: &str, id: Option<&Id>) -> Option<Error> {
        match (method, id) {
            ("exit", Some(_)) => Some(invalid("`exit` is a notification: it has no `id`")),
            ("initialize" | "shutdown", None) => Some(invalid("this is a request: it needs an `id`")),
            _ if self.session.is_shut_down() => {
                Some(invalid("`shutdown` was asked for: only `exit` may follow"))
            }
            ("initialize", _) if self.initialized => Some(invalid("`initialize` was asked for already")),
            ("initialize", _) => None,
            _ if !self.initialized => Some(Error {
                code: ErrorCode::ServerError(-32002),
                message: "the server is not initialized: `initialize` comes first".into(),
                data: None,
            }),
            _ => None,
        }
    }

    fn call(&mut self, method: String, id: Option<Id>, params: Option<Value>) {
        if method == "initialize" {
            self.initialize.clone_from(&id);
            // Newer than the types of the framework: read here, and answered in `respond`.
            let shows =
                params.as_ref().and_then(|p| p.pointer("/capabilities/workspace/textDocumentContent"));
            self.session.shows_content = shows.is_some_and(Value::is_object);
        }
        let mut request = Request::build(method);
        if let Some(id) = id.clone() {
            request = request.id(id);
        }
        if let Some(params) = params {
            request = request.params(params);
        }
        let answer = self.service.call(request.finish());
        self.pending.push((id, answer));
        // The first poll hands the message to the task queue, in order; the second fetches the answer, and that of a
        // request which this message cancelled.
        self.poll_pending();
        self.run_tasks();
        self.poll_pending();
        self.session.drop_cancelled();
    }

    fn run_tasks(&mut self) {
        loop {
            let task = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(task) = task else { return };
            self.guarded(task);
        }
    }

    fn poll_pending(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let mut i = 0;
        while i < self.pending.len() {
            match self.pending[i].1.as_mut().poll(&mut context) {
                Poll::Pending => i += 1,
                Poll::Ready(answer) => {
                    let (id, _) = self.pending.remove(i);
                    match (answer, id) {
                        (Ok(Some(response)), _) => self.respond(response),
                        // The service swallows unknown `$/` requests; the specification wants them answered.
                        (Ok(None), Some(id)) => self.respond_error(id, Error::method_not_found()),
                        (Err(_), Some(id)) => self.respond_error(id, Error::invalid_request()),
                        (_, None) => {}
                    }
                }
            }
        }
    }

    fn respond(&mut self, response: Response) {
        let asked = self.initialize.take_if(|id| id == response.id()).is_some();
        self.initialized |= asked && response.is_ok();
        if !asked || !self.session.shows_content || !response.is_ok() {
            return self.outbox.respond(&response);
        }
        let (id, mut result) = response.into_parts();
        if let Ok(result) = &mut result {
            result["capabilities"]["workspace"]["textDocumentContent"] = json!({ "schemes": [SCHEME] });
        }
        self.outbox.respond(&Response::from_parts(id, result));
    }

    fn respond_error(&self, id: Id, error: Error) {
        self.outbox.respond(&Response::from_error(id, error));
    }

    /// Runs session code. A panic there fails the request it belongs to (its reply is dropped) and nothing else.
    fn guarded(&mut self, work: impl FnOnce(&mut Session)) {
        let session = &mut self.session;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| work(session))) {
            self.session.panicked(&*payload);
        }
    }
}
