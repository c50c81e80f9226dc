//! Workers for a group of functions: a thread each, a bounded queue in front, a fresh worker in place of one that
//! has died, run out of time or served its time.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use agent_protocol::{CallEvent, CallOutcome, CallSpec, MAX_CALL, Output, PoolSpec, Stream, write_message};

use crate::output::Logs;
use crate::reaper::Reaper;
use crate::worker::{StartError, Worker};

/// A wait for a call that is longer than this is a defect; the bound keeps a broken machine from waiting forever.
const MAX_RESTARTS_IN_A_ROW: u32 = 3;

/// What the workers of a pool have in common.
pub struct Config {
    /// How the harness is started.
    pub argv: Vec<String>,
    /// Directory it starts in.
    pub working_dir: String,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// First message to the harness.
    pub start_message: String,
    /// Number and life of the workers.
    pub pool: PoolSpec,
    /// The first workers import nothing before they are resumed.
    pub hold: bool,
}

/// What workers are told after a freeze.
struct Resumption {
    env: BTreeMap<String, String>,
    done: mpsc::Sender<Result<(), StartError>>,
}

/// A call on its way.
pub struct Job {
    /// `module:function`.
    pub function: String,
    /// The call.
    pub spec: CallSpec,
    /// Where its events go.
    pub stream: Stream,
}

struct Shared {
    config: Config,
    reaper: Reaper,
    logs: Logs,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    wakers: Vec<UnixStream>,
    stopping: bool,
    resumption: Option<Arc<Resumption>>,
}

/// A pool.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// Starts all workers and waits until they are ready.
    pub fn start(config: Config, reaper: &Reaper, logs: &Logs) -> Result<Pool, StartError> {
        let failed = |e: io::Error| StartError::of(format!("starting a worker: {e}"));
        let size = config.pool.size.max(1);
        let shared = Arc::new(Shared {
            config,
            reaper: reaper.clone(),
            logs: logs.clone(),
            state: Mutex::new(State::default()),
        });
        let (ready, all_ready) = mpsc::channel();
        for _ in 0..size {
            let (waker, wake) = UnixStream::pair().map_err(failed)?;
            for end in [&waker, &wake] {
                end.set_nonblocking(true).map_err(failed)?;
            }
            shared.lock().wakers.push(waker);
            let (shared, ready) = (Arc::clone(&shared), ready.clone());
            crate::spawn("worker", move || shared.serve(&wake, &ready)).map_err(failed)?;
        }
        for _ in 0..size {
            all_ready.recv().unwrap_or_else(|_| Err(StartError::of("a worker thread ended")))?;
        }
        Ok(Pool { shared })
    }

    /// What tells it from another pool.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.shared) as usize
    }

    /// Has every worker take up its life after a freeze, with this environment added, and waits until they have.
    pub fn resume(&self, env: &BTreeMap<String, String>) -> Result<(), StartError> {
        let (done, all_done) = mpsc::channel();
        let mut state = self.shared.lock();
        state.resumption = Some(Arc::new(Resumption { env: env.clone(), done }));
        state.wake();
        drop(state);
        for _ in 0..self.shared.config.pool.size.max(1) {
            all_done.recv().unwrap_or_else(|_| Err(StartError::of("a worker thread ended")))?;
        }
        Ok(())
    }

    /// Queues a call; its stream says so if there is no room.
    pub fn submit(&self, job: Job) {
        let mut state = self.shared.lock();
        if state.queue.len() >= self.shared.config.pool.max_queue.max(1) as usize || state.stopping {
            let why =
                if state.stopping { "the machine is stopping" } else { "too many calls are waiting already" };
            drop(state);
            finish(&job.stream, CallOutcome::WorkerDied { reason: why.into() });
            return;
        }
        state.queue.push_back(job);
        state.wake();
    }

    /// Takes no more calls and asks the workers to end.
    pub fn stop(&self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        state.queue.clear();
        state.wake();
    }
}

impl State {
    fn wake(&self) {
        for waker in &self.wakers {
            let _ = (&*waker).write(&[1]);
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, wake: &UnixStream, ready: &mpsc::Sender<Result<(), StartError>>) {
        let mut worker = match self.new_worker() {
            Ok(worker) => {
                let _ = ready.send(Ok(()));
                Some(worker)
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        let (mut failures, mut resumed) = (0, false);
        loop {
            if !resumed && let Some(resumption) = self.resumption() {
                resumed = true;
                let taken_up = self.take_up(worker.take(), &resumption.env);
                let _ = resumption.done.send(taken_up.map(|live| worker = Some(live)));
            }
            let job = {
                let mut state = self.lock();
                if state.stopping {
                    if let Some(worker) = &worker {
                        worker.terminate();
                    }
                    return;
                }
                state.queue.pop_front()
            };
            match (job, &mut worker) {
                (Some(job), Some(live)) => {
                    if !self.run(live, &job) {
                        worker = None;
                    }
                }
                (Some(job), None) if failures >= MAX_RESTARTS_IN_A_ROW => {
                    failures = 0;
                    finish(
                        &job.stream,
                        CallOutcome::WorkerDied { reason: "no new worker could be started".into() },
                    );
                }
                (Some(job), None) => self.lock().queue.push_front(job),
                (None, Some(live)) => {
                    let alive = live.idle(wake, &mut self.sink());
                    let _ = { wake }.read(&mut [0; 64]);
                    if !alive {
                        self.logs.note("a worker ended by itself; starting another");
                        worker = None;
                    }
                }
                (None, None) => {}
            }
            if worker.as_ref().is_some_and(|live| live.is_worn(&self.config)) {
                worker = None;
            }
            if worker.is_none() {
                worker = self.new_worker().map_err(|error| self.logs.note(&error.message)).ok();
                failures = if worker.is_some() { 0 } else { failures + 1 };
                if worker.is_none() {
                    std::thread::sleep(std::time::Duration::from_millis(200));
                }
            }
        }
    }

    fn resumption(&self) -> Option<Arc<Resumption>> {
        self.lock().resumption.clone()
    }

    fn new_worker(&self) -> Result<Worker, StartError> {
        let late = self.resumption();
        let mut worker = Worker::start(&self.config, &self.reaper, &mut self.sink())?;
        if let Some(late) = late.filter(|_| self.config.hold) {
            self.resume(&mut worker, &late.env)?;
        }
        Ok(worker)
    }

    /// A worker after a freeze: the one that was frozen, or another if that has ended.
    fn take_up(&self, worker: Option<Worker>, env: &BTreeMap<String, String>) -> Result<Worker, StartError> {
        let Some(mut worker) = worker else { return self.new_worker() };
        self.resume(&mut worker, env)?;
        Ok(worker)
    }

    fn resume(&self, worker: &mut Worker, env: &BTreeMap<String, String>) -> Result<(), StartError> {
        worker.resume(&self.config, env, &mut self.sink())
    }

    fn sink(&self) -> impl FnMut(&str, &str) {
        |stream, text| self.logs.send(stream, text)
    }

    /// Runs a call; false when the worker must be replaced.
    fn run(&self, worker: &mut Worker, job: &Job) -> bool {
        if job.stream.is_left() {
            return true;
        }
        let mut sink = |stream: &str, text: &str| {
            if !text.is_empty() {
                let event = CallEvent::Output(Output { stream: stream.into(), text: text.into() });
                let _ = write_message(&job.stream, &event, MAX_CALL);
            }
        };
        let (outcome, usable) = worker.call(&job.function, &job.spec, &|| job.stream.is_left(), &mut sink);
        finish(&job.stream, outcome);
        usable
    }
}

/// Sends a call's end.
pub fn finish(stream: &Stream, outcome: CallOutcome) {
    let _ = write_message(stream, &CallEvent::Done { outcome }, MAX_CALL + 4096);
    stream.finish();
}
