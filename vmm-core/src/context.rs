//! What every long operation is given: where to report, and how it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The stages of the road, in order. Their names appear in progress, JSON output and benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Collect the source files.
    Collect,
    /// Resolve packages to exact versions.
    Resolve,
    /// Fetch packages.
    Fetch,
    /// Write the base layer.
    Image,
    /// Write the dependency layer.
    Dependencies,
    /// Write the app layer.
    Source,
    /// Run hooks and compile byte code, in a microVM.
    Prepare,
    /// Find, fetch and unpack the guest kernel.
    Kernel,
    /// Start the machine: until the function is ready.
    Boot,
    /// Call the function.
    Call,
    /// Stop the machine.
    Stop,
}

/// What a long operation tells while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A stage begins; `detail` names its object ("32 packages").
    Started {
        /// Which.
        stage: Stage,
        /// Its object.
        detail: String,
    },
    /// Part of a stage is done; `total` is 0 when unknown.
    Progress {
        /// Which.
        stage: Stage,
        /// Units done (bytes or items).
        done: u64,
        /// Units there are.
        total: u64,
    },
    /// A stage is over; `cached` when nothing had to be done.
    Finished {
        /// Which.
        stage: Stage,
        /// How long it took.
        elapsed: Duration,
        /// Nothing had to be done.
        cached: bool,
    },
    /// Something the user should know (a substitution, a fallback), one sentence.
    Note(String),
}

/// Takes events. Called from any thread; must not block.
pub trait Reporter: Send + Sync {
    /// One event.
    fn report(&self, event: Event);
}

/// Takes events and forgets them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event) {}
}

/// Reporter and cancellation, cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// Where events go.
    pub reporter: Arc<dyn Reporter>,
    /// Cancelled when the user gives up: the operation ends soon with [`crate::ErrorKind::Cancelled`], leaves no
    /// process, no lock and nothing half-written.
    pub cancel: CancellationToken,
}

impl Context {
    /// Reports to nobody and is never cancelled, for tests.
    pub fn silent() -> Self {
        Context { reporter: Arc::new(Silent), cancel: CancellationToken::new() }
    }

    /// Runs a stage: reports its start and its end. The closure returns its value and whether it was cached.
    pub fn stage<T>(
        &self,
        stage: Stage,
        detail: impl Into<String>,
        work: impl FnOnce() -> crate::Result<(T, bool)>,
    ) -> crate::Result<T> {
        self.check()?;
        let start = std::time::Instant::now();
        self.reporter.report(Event::Started { stage, detail: detail.into() });
        let (value, cached) = work()?;
        self.reporter.report(Event::Finished { stage, elapsed: start.elapsed(), cached });
        Ok(value)
    }

    /// An error if the user gave up.
    pub fn check(&self) -> crate::Result<()> {
        if self.cancel.is_cancelled() { Err(crate::Error::cancelled()) } else { Ok(()) }
    }
}
