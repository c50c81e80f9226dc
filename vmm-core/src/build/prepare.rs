//! The steps of a build that need a guest: Python's byte code over the base image, and `before_build` hooks.

use super::pipeline::{Base, Builder, key, read_index};
use super::{AppBuild, Layer, LayerRole};
use crate::digest::sha256_reader;
use crate::lock::{FileLock, Mode};
use crate::machine::{self, PrepareRequest};
use crate::{Error, ErrorKind, Event, Result, Stage, fsio, programs};

impl Builder<'_> {
    /// Byte code for what Python imports, cached by the base layer and the agent. A host that cannot run a guest can
    /// still build: the first imports are slower then.
    pub(super) fn bytecode(&self, base: &Base) -> Result<Option<Layer>> {
        if !base.interpreters.contains_key("python") {
            return Ok(None);
        }
        match self.bytecode_layer(base) {
            Ok(layer) => Ok(Some(layer)),
            Err(e) if e.kind() == ErrorKind::Cancelled => Err(e),
            Err(e) => {
                let text = format!("Python's byte code is not prepared, so starting takes longer: {e}");
                self.ctx.reporter.report(Event::Note(text));
                Ok(None)
            }
        }
    }

    fn bytecode_layer(&self, base: &Base) -> Result<Layer> {
        let key = key("bytecode", &[base.layer.digest.as_bytes(), agent_digest()?.as_bytes()]);
        self.ctx.stage(Stage::Prepare, format!("{}: byte code", self.app.name), || {
            let index = self.index("bytecode", &key)?;
            if let Some(layer) = read_index::<Layer>(&index)?.filter(|l| self.store.contains(l)) {
                return Ok((layer, true));
            }
            let what = "it prepares the same byte code";
            let _alone = FileLock::acquire(&index.with_extension("lock"), Mode::Exclusive, what, self.ctx)?;
            if let Some(layer) = read_index::<Layer>(&index)?.filter(|l| self.store.contains(l)) {
                return Ok((layer, true));
            }
            let built = AppBuild {
                name: self.app.name.clone(),
                layers: vec![base.layer.clone()],
                path: base.path.clone(),
                interpreters: base.interpreters.clone(),
                env: base.env.clone(),
            };
            let request = PrepareRequest { kernel: self.kernel.clone(), built };
            let tree = machine::prepare_bytecode(self.home, &request, self.ctx)?;
            let layer = self.store.write(&tree, LayerRole::Bytecode)?;
            fsio::write_json(&index, &layer)?;
            Ok((layer, false))
        })
    }

    /// What the `before_build` hooks changed, cached by everything that they see: the image, their policy and their
    /// environment.
    pub(super) fn hooks(&self, built: &AppBuild) -> Result<Option<Layer>> {
        let hooks = self.app.hooks.as_ref().map(|h| h.before_build.as_slice()).unwrap_or_default();
        if hooks.is_empty() {
            return Ok(None);
        }
        let seen = (built, hooks, &self.app.network, &self.app.env, &self.app.resources);
        let seen = serde_json::to_vec(&seen)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("writing JSON: {e}")))?;
        let key = key("hooks", &[&seen, agent_digest()?.as_bytes()]);
        self.ctx.stage(Stage::Prepare, format!("{}: {} hooks", self.app.name, hooks.len()), || {
            let index = self.index("hooks", &key)?;
            if let Some(layer) = read_index::<Layer>(&index)?.filter(|l| self.store.contains(l)) {
                return Ok((Some(layer), true));
            }
            let request = PrepareRequest { kernel: self.kernel.clone(), built: built.clone() };
            let mut told = |output: agent_protocol::Output| {
                let text = output.text.trim_end();
                self.ctx.reporter.report(Event::Note(format!("before_build: {text}")));
            };
            let tree = machine::run_hooks_before_build(self.home, &request, self.app, &mut told, self.ctx)?;
            let layer = self.store.write(&tree, LayerRole::Hooks)?;
            fsio::write_json(&index, &layer)?;
            Ok((Some(layer), false))
        })
    }
}

/// The harness that byte code is made for is a part of the agent.
fn agent_digest() -> Result<String> {
    let path = programs::guest_agent()?;
    let digest = std::fs::File::open(&path).and_then(|mut file| sha256_reader(&mut file));
    digest.map(|(digest, _)| digest).map_err(|e| fsio::error("reading the guest agent", &path, e))
}
