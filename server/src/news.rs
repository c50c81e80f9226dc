//! What a job in flight has to say: gathered on its own threads, bounded, and fetched by the loop when it comes to it.

use std::sync::{Arc, Mutex, PoisonError};

use vmm_core::machine::Output;
use vmm_core::{Event, Reporter, Stage};

use crate::inbox::Inbox;

/// Output that waits for the loop beyond this is dropped and counted.
const OUTPUT_LIMIT: usize = 256 << 10;

/// What a job's threads share with the loop: the newest of its news, bounded.
#[derive(Default)]
pub struct News {
    /// What is being done, and how much of it, in percent.
    pub message: Option<(String, Option<u32>)>,
    /// Lines for the user.
    pub notes: Vec<String>,
    /// What the guest printed.
    pub output: Vec<Output>,
    /// Bytes of output that there was no room for.
    pub dropped: usize,
    bytes: usize,
    announced: bool,
}

/// A job's own end of it.
pub struct Live {
    news: Mutex<News>,
    inbox: Inbox,
    job: u64,
}

impl Live {
    /// Nothing yet.
    pub fn new(inbox: Inbox, job: u64) -> Arc<Self> {
        Arc::new(Live { news: Mutex::default(), inbox, job })
    }

    fn change(self: &Arc<Self>, change: impl FnOnce(&mut News)) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut news);
        // One message to the loop stands for all news until the loop has taken them.
        if !std::mem::replace(&mut news.announced, true) {
            let job = self.job;
            self.inbox.task(move |s| s.job_news(job));
        }
    }

    /// The loop's end: all there is.
    pub fn take(&self) -> News {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Something was printed.
    pub fn output(self: &Arc<Self>, output: Output) {
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

/// Hands on what the core reports.
pub struct JobReporter(pub Arc<Live>);

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
