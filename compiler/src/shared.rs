//! Several `func`s of one name are one app: the first says what it is, and each further one adds its entrypoints. What
//! else it says must be the same, since it cannot count.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use workload_ir::{App, Entrypoint};

use crate::finding::Finding;
use crate::outline::{Outline, Unpacked};
use crate::workload::Part;

/// What the apps with several `func`s are so far, by index.
#[derive(Default)]
pub(crate) struct Shared(HashMap<usize, (Unpacked, HashSet<(String, String)>)>);

/// Does one argument lower to the same in both?
fn agree(argument: &str, a: &Unpacked, b: &Unpacked) -> bool {
    let hooks = |app: &App| app.hooks.clone().unwrap_or_default();
    let (x, y) = (&a.app, &b.app);
    match argument {
        "source" | "include" => x.source == y.source,
        "image" => x.image == y.image,
        "resources" => x.resources == y.resources,
        "network" | "depends_on" => x.network == y.network,
        "env" => x.env == y.env,
        "dependencies" => x.dependencies == y.dependencies,
        "mounts" => x.mounts == y.mounts && a.volumes == b.volumes,
        "before_build" => hooks(x).before_build == hooks(y).before_build,
        "before_start" => hooks(x).before_start == hooks(y).before_start,
        "after_start" => hooks(x).after_start == hooks(y).after_start,
        "before_stop" => hooks(x).before_stop == hooks(y).before_stop,
        "health_check" => x.health_check == y.health_check,
        "threat_tier" => x.threat_tier == y.threat_tier,
        // The name is the same, and entrypoints are added.
        _ => true,
    }
}

impl Shared {
    /// Takes in that `d` adds to the app whose first declaration is `first`.
    pub fn add(&mut self, app: usize, first: &Part, part: &Part, d: &Outline, findings: &mut Vec<Finding>) {
        let Some(own) = d.unpack() else { return };
        let place = first.declarations().next().map(|f| first.place(&f.decorator));
        let (head, seen) = match self.0.entry(app) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let Some(unpacked) = first.declarations().next().and_then(Outline::unpack) else { return };
                let seen = functions(&unpacked).collect();
                free.insert((unpacked, seen))
            }
        };
        let mut tell = |finding: Finding| {
            findings.push(match &place {
                Some(place) => finding.related(place.clone(), "the app is described here"),
                None => finding,
            });
        };
        for (argument, range) in d.given.iter().filter(|(argument, _)| !agree(argument, head, &own)) {
            let name = &d.name;
            let message = format!(
                "`{argument}` differs from what the first function of `{name}` says, and only that counts: remove it here"
            );
            tell(Finding::error("MVM006", part.place(range), message));
        }
        for (module, function) in functions(&own) {
            let message = format!(
                "`entrypoints`: the function `{}` is an entrypoint already; remove this one",
                crate::rules::shown(&function)
            );
            if !seen.insert((module, function)) {
                tell(Finding::error("MVM609", part.place(&d.decorator), message));
            }
        }
    }
}

fn functions(of: &Unpacked) -> impl Iterator<Item = (String, String)> + '_ {
    of.app.entrypoints.iter().filter_map(|e| match e {
        Entrypoint::Function { module, function, .. } => Some((module.clone(), function.clone())),
        Entrypoint::Command { .. } => None,
    })
}
