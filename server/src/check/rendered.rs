//! Workload IR written as the declaration it could have come from, with the JSON pointer of each piece, so that the
//! rules can look at IR as they look at source.

use std::collections::BTreeMap;
use std::ops::Range;

use workload_ir::{
    App, Dependencies, Entrypoint, EnvValue, Hook, Image, Network, SecretMount, Source, Workload,
    push_pointer,
};

/// A Python text and where its pieces come from.
#[derive(Default)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// Ranges and pointers, inner ones after outer ones that began before.
    pub pieces: Vec<(Range<usize>, String)>,
}

/// Renders a workload.
pub fn render(workload: &Workload) -> Rendered {
    let mut out = Rendered::default();
    out.push("import mvm\n\n");
    for (i, app) in workload.apps.iter().enumerate() {
        out.piece(&format!("/apps/{i}"), |out| out.app(app, &format!("/apps/{i}")));
        out.push(&format!("def app_{i}(): ...\n\n"));
    }
    out
}

fn under(pointer: &str, token: &str) -> String {
    let mut pointer = pointer.to_owned();
    push_pointer(&mut pointer, token);
    pointer
}

impl Rendered {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn piece(&mut self, pointer: &str, write: impl FnOnce(&mut Self)) {
        let start = self.text.len();
        let at = self.pieces.len();
        self.pieces.push((0..0, pointer.to_owned()));
        write(self);
        self.pieces[at].0 = start..self.text.len();
    }

    /// The pointer of the innermost piece around a place.
    pub fn pointer_at(&self, at: usize) -> Option<&str> {
        let around = self.pieces.iter().filter(|(r, _)| r.contains(&at));
        around.min_by_key(|(r, _)| r.len()).map(|(_, pointer)| pointer.as_str())
    }

    fn string(&mut self, pointer: &str, value: &str) {
        self.piece(pointer, |out| {
            out.text.push('"');
            for c in value.chars() {
                match c {
                    '"' | '\\' => out.text.extend(['\\', c]),
                    c if c.is_control() => out.text.push_str(&format!("\\U{:08x}", u32::from(c))),
                    c => out.text.push(c),
                }
            }
            out.text.push('"');
        });
    }

    fn strings(&mut self, pointer: &str, values: &[String]) {
        self.piece(pointer, |out| {
            out.push("[");
            for (i, value) in values.iter().enumerate() {
                out.string(&under(pointer, &i.to_string()), value);
                out.push(", ");
            }
            out.push("]");
        });
    }

    fn named_string(&mut self, base: &str, name: &str, field: &str, value: &str) {
        self.push(&format!("{name}="));
        self.string(&under(base, field), value);
        self.push(", ");
    }

    fn app(&mut self, app: &App, at: &str) {
        self.push("@mvm.app(\n    ");
        self.named_string(at, "name", "name", &app.name);
        let Source::LocalPath { path, include, exclude } = &app.source;
        let source = under(at, "source");
        self.push("\n    source=");
        self.piece(&source, |out| {
            out.push("mvm.local_path(");
            out.string(&under(&source, "path"), path);
            out.push(", include=");
            out.strings(&under(&source, "include"), include);
            out.push(", exclude=");
            out.strings(&under(&source, "exclude"), exclude);
            out.push(")");
        });
        self.push(",\n    image=");
        self.image(&app.image, &under(at, "image"));
        let size = under(at, "resources");
        self.push(",\n    resources=");
        self.piece(&size, |out| {
            out.push("mvm.resources(");
            let r = &app.resources;
            for (name, n) in
                [("cpu_cores", r.cpu_cores), ("memory_mb", r.memory_mb), ("rootfs_size_mb", r.rootfs_size_mb)]
            {
                out.push(&format!("{name}="));
                out.piece(&under(&size, name), |out| out.push(&n.to_string()));
                out.push(", ");
            }
            out.push(")");
        });
        self.push(",\n    network=");
        self.network(&app.network, &under(at, "network"));
        self.push(",\n    env=");
        self.env(&app.env, &under(at, "env"));
        self.push(",\n    entrypoints=[");
        for (i, entrypoint) in app.entrypoints.iter().enumerate() {
            self.entrypoint(entrypoint, &format!("{at}/entrypoints/{i}"));
            self.push(", ");
        }
        self.push("],\n    ");
        self.dependencies(&app.dependencies, &under(at, "dependencies"));
        if let Some(hooks) = &app.hooks {
            let all = [
                ("before_build", &hooks.before_build),
                ("before_start", &hooks.before_start),
                ("after_start", &hooks.after_start),
                ("before_stop", &hooks.before_stop),
            ];
            for (name, list) in all.into_iter().filter(|(_, list)| !list.is_empty()) {
                self.hooks(name, list, &format!("{at}/hooks/{name}"));
            }
        }
        if let Some(check) = &app.health_check {
            self.push("health_check=mvm.health_check(command=");
            self.strings(&format!("{at}/health_check/command"), &check.command);
            self.push("),\n");
        }
        self.push(")\n");
    }

    fn image(&mut self, image: &Image, at: &str) {
        self.piece(at, |out| match image {
            Image::NixPackages { packages } => {
                out.push("mvm.nix_packages(");
                out.strings(&under(at, "packages"), packages);
                out.push(")");
            }
            Image::OciBase { reference, digest } => {
                out.push("mvm.oci_image(");
                out.string(&under(at, "reference"), reference);
                if let Some(digest) = digest {
                    out.push(", digest=");
                    out.string(&under(at, "digest"), digest);
                }
                out.push(")");
            }
        });
    }

    fn network(&mut self, network: &Network, at: &str) {
        self.piece(at, |out| {
            let mode = serde_json::to_value(network.mode).unwrap_or_default();
            out.push("mvm.network(");
            out.named_string(at, "mode", "mode", mode.as_str().unwrap_or("deny"));
            if let Some(egress) = &network.egress {
                out.push("egress=");
                out.piece(&under(at, "egress"), |out| {
                    out.push("mvm.egress([");
                    for (i, to) in egress.allowlist.iter().enumerate() {
                        let one = format!("{at}/egress/allowlist/{i}");
                        out.piece(&one, |out| {
                            out.push("mvm.host_port(");
                            out.string(&under(&one, "host"), &to.host);
                            out.push(", ");
                            out.piece(&under(&one, "port"), |out| out.push(&to.port.to_string()));
                            out.push(")");
                        });
                        out.push(", ");
                    }
                    out.push("])");
                });
                out.push(", ");
            }
            if !network.ports.is_empty() {
                out.push("ports=[");
                for (i, port) in network.ports.iter().enumerate() {
                    let one = format!("{at}/ports/{i}");
                    out.piece(&one, |out| {
                        out.push(&format!("{{\"guest\": {}, ", port.guest));
                        if let Some(host) = port.host {
                            out.push(&format!("\"host\": {host}, "));
                        }
                        if let Some(address) = &port.host_addr {
                            out.push("\"host_addr\": ");
                            out.string(&under(&one, "host_addr"), address);
                        }
                        out.push("}");
                    });
                    out.push(", ");
                }
                out.push("]");
            }
            out.push(")");
        });
    }

    fn env(&mut self, env: &BTreeMap<String, EnvValue>, at: &str) {
        self.piece(at, |out| {
            out.push("{");
            for (name, value) in env {
                let one = under(at, name);
                out.string(&one, name);
                out.push(": ");
                match value {
                    EnvValue::Literal { value } => out.string(&under(&one, "value"), value),
                    EnvValue::SecretRef { r#ref } => out.piece(&one, |out| {
                        let SecretMount::Env { var } = &r#ref.mount;
                        out.push("mvm.secret(");
                        out.string(&format!("{one}/ref/name"), &r#ref.name);
                        if let Some(hosts) = &r#ref.allowed_hosts {
                            out.push(", hosts=");
                            out.strings(&format!("{one}/ref/allowed_hosts"), hosts);
                        }
                        if var != name {
                            out.push(", ");
                            out.named_string(&format!("{one}/ref/mount"), "var", "var", var);
                        }
                        out.push(")");
                    }),
                }
                out.push(", ");
            }
            out.push("}");
        });
    }

    fn entrypoint(&mut self, entrypoint: &Entrypoint, at: &str) {
        self.piece(at, |out| {
            let env = match entrypoint {
                Entrypoint::Command { command, env, .. } => {
                    out.push("mvm.entrypoint(command=");
                    out.strings(&under(at, "command"), command);
                    out.push(", ");
                    env
                }
                Entrypoint::Function { module, function, env, primary, .. } => {
                    out.push("mvm.entrypoint_function(");
                    out.named_string(at, "module", "module", module);
                    out.named_string(at, "function", "function", function);
                    out.push(if *primary { "primary=True, " } else { "primary=False, " });
                    env
                }
            };
            out.push("env=");
            out.env(env, &under(at, "env"));
            out.push(")");
        });
    }

    fn dependencies(&mut self, dependencies: &Dependencies, at: &str) {
        let (helper, lockfile, tool) = match dependencies {
            Dependencies::None => return,
            Dependencies::Python { lockfile, tool } => ("python_deps", lockfile, tool),
            Dependencies::Node { lockfile, tool } => ("node_deps", lockfile, tool),
        };
        self.push("dependencies=");
        self.piece(at, |out| {
            out.push(&format!("mvm.{helper}("));
            out.named_string(at, "lockfile", "lockfile", lockfile);
            out.named_string(at, "tool", "tool", tool);
            out.push(")");
        });
        self.push(",\n    ");
    }

    fn hooks(&mut self, name: &str, hooks: &[Hook], at: &str) {
        self.push(&format!("{name}=["));
        for (i, hook) in hooks.iter().enumerate() {
            let one = format!("{at}/{i}");
            self.piece(&one, |out| {
                out.push("mvm.hook(");
                match hook {
                    Hook::Shell { line } => out.string(&under(&one, "line"), line),
                    Hook::Argv { argv } => out.strings(&under(&one, "argv"), argv),
                }
                out.push(")");
            });
            self.push(", ");
        }
        self.push("],\n    ");
    }
}
