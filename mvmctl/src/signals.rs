//! Ctrl-C, SIGTERM and SIGHUP: the first asks the running operation to stop, the second ends the program at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use vmm_core::{Error, ErrorKind, Result};

use crate::ui::Ui;

/// Exit code of an interrupted program.
const INTERRUPTED: i32 = 130;

/// Watches until the program ends.
pub fn watch(cancel: CancellationToken, ui: Ui) -> Result<()> {
    let failed = |e| Error::new(ErrorKind::Internal, "setting up signal handling").source(e);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    tokio::spawn(async move {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            if asked {
                // A machine that is still up ends with this process: its supervisor watches it.
                std::process::exit(INTERRUPTED);
            }
            asked = true;
            cancel.cancel();
            if !ui.json {
                ui.note("stopping … (once more to end at once)\n");
            }
        }
    });
    Ok(())
}
