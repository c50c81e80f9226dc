//! Which way a machine starts: from a snapshot that fits, or by booting. A snapshot that fails is thrown away and the
//! machine boots; nobody has to know.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::store;
use super::{Plan, Subject};
use crate::hypervisor;
use crate::kernel;
use crate::machine::launch::{self, Launch};
use crate::machine::registry::MachineDir;
use crate::machine::{MachineInfo, UpRequest};
use crate::machine::{client, start};
use crate::secrets::Value;
use crate::{Context, ErrorKind, Event, Home, Result};

/// What a start does about snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotUse {
    /// Boots.
    Never,
    /// Restores from a snapshot if there is one that fits.
    #[default]
    IfThere,
    /// Makes one first if there is none.
    Make,
}

/// Starts a machine.
pub fn start(home: &Home, launch: Launch, wanted: SnapshotUse, ctx: &Context) -> Result<MachineInfo> {
    if wanted == SnapshotUse::Never {
        return start::start(launch, ctx);
    }
    let freezing = that_freezes(launch.clone());
    let Some(dir) = find(home, &freezing, wanted, ctx)? else { return start::start(launch, ctx) };
    let restoring = Launch { snapshot: Plan::Restore { from: dir.clone() }, ..freezing };
    match start::start(restoring, ctx) {
        Err(error) if error.kind() != ErrorKind::Cancelled => {
            store::remove(&dir);
            ctx.reporter.report(Event::Note(format!("booting instead of restoring: {error}")));
            start::start(launch, ctx)
        }
        started => started,
    }
}

/// On the hypervisor that freezes and restores machines: where `auto` takes one that does not, a snapshot is still made
/// and used, with the one that does.
fn that_freezes(launch: Launch) -> Launch {
    Launch { hypervisor: hypervisor::that_freezes(launch.hypervisor, &launch.probe), ..launch }
}

/// The snapshot to start from. One that cannot be made is no reason not to start.
fn find(home: &Home, launch: &Launch, wanted: SnapshotUse, ctx: &Context) -> Result<Option<PathBuf>> {
    let there =
        |subject: &Subject| Ok(Some(store::place(home)?.join(subject.key()?)).filter(|dir| dir.is_dir()));
    match (wanted, Subject::of(launch)) {
        (SnapshotUse::Never, _) | (SnapshotUse::IfThere, Err(_)) => Ok(None),
        (SnapshotUse::IfThere, Ok(subject)) => there(&subject),
        (SnapshotUse::Make, subject) => {
            match subject.and_then(|subject| make_of(home, launch, &subject, ctx)) {
                Ok(dir) => Ok(Some(dir)),
                Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
                Err(error) => {
                    ctx.reporter.report(Event::Note(format!("starting without a snapshot: {error}")));
                    Ok(None)
                }
            }
        }
    }
}

/// Makes the snapshot of a request if there is none that fits; says whether there was one.
pub async fn freeze(
    home: &Home,
    request: UpRequest,
    secrets: BTreeMap<String, Value>,
    ctx: &Context,
) -> Result<bool> {
    let home = home.clone();
    client::blocking(ctx, move |ctx| {
        let kernel = kernel::find_or_fetch(&home, false, ctx)?;
        let launch = that_freezes(launch::of_request(&home, &request, &kernel, &secrets)?);
        let subject = Subject::of(&launch)?;
        let there = store::place(&home)?.join(subject.key()?).is_dir();
        make_of(&home, &launch, &subject, ctx).map(|_| there)
    })
    .await
}

/// Boots a machine that is frozen as soon as its modules are imported, and never does anything else: no call has run
/// in what becomes a snapshot. It is given no secret.
fn make_of(home: &Home, launch: &Launch, subject: &Subject, ctx: &Context) -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let store = store::place(home)?;
    let place = store.join(subject.key()?);
    if place.is_dir() {
        return Ok(place);
    }
    let name = format!("freeze-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut freezing = Launch { snapshot: Plan::Freeze { store }, ephemeral: true, ..launch.clone() };
    let dir = MachineDir::of(home, &name)?;
    freezing.dir = dir.path().to_owned();
    freezing.info.name = name;
    freezing.late_env.clear();
    freezing.secrets.clear();
    freezing.ports.clear();
    start::start(freezing, ctx).map(|_| place).inspect_err(|_| {
        // A supervisor that was killed has not cleared away its machine, and nobody knows of this one to do it.
        let _ = client::stop(&dir, Duration::ZERO, ctx);
    })
}
