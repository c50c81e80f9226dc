//! The smaller parts of an app: network, environment, worker pool, mounts.

use std::collections::BTreeMap;

use workload_ir::{
    AuthType, Concurrency, Dns, Egress, EnvValue, HostPort, Mount, MountMode, MountSource, Port, Proto,
    SecretMount, SecretRef, Volume,
};

use super::{Lowerer, below, elements, present};
use crate::value::{HelperCall, Value, ValueKind};

impl Lowerer {
    pub(super) fn egress(&mut self, egress: Option<&Value>, https: Option<&Value>) -> Option<Egress> {
        let at = "/network/egress/allowlist";
        let mut allowlist = Vec::new();
        let call = self.call("/network/egress", egress);
        if let Some(list) = call.and_then(|c| present(c.get("allowlist"))) {
            self.mark(at, list);
            self.incomplete |= elements(list).is_none();
            for item in elements(list).unwrap_or_default() {
                let destination = self.destination(&format!("{at}/{}", allowlist.len()), item);
                allowlist.extend(destination);
            }
        }
        let hosts = present(https);
        self.incomplete |= hosts.is_some_and(|h| elements(h).is_none());
        for item in hosts.and_then(elements).unwrap_or_default() {
            let here = format!("{at}/{}", allowlist.len());
            match self.str(below(&here, "host"), Some(item)) {
                Some(host) => {
                    self.mark(here, item);
                    allowlist.push(HostPort { host, port: 443 });
                }
                None => self.incomplete = true,
            }
        }
        (call.is_some() || !allowlist.is_empty()).then_some(Egress { allowlist })
    }

    fn destination(&mut self, at: &str, value: &Value) -> Option<HostPort> {
        let call = self.call(at, Some(value))?;
        let host = self.required(below(at, "host"), call.get("host"));
        let port = self.int(below(at, "port"), call.get("port"));
        self.incomplete |= port.is_none();
        Some(HostPort { host, port: port? })
    }

    pub(super) fn ports(&mut self, value: Option<&Value>) -> Vec<Port> {
        let Some(value) = present(value) else { return Vec::new() };
        self.mark("/network/ports", value);
        self.incomplete |= elements(value).is_none();
        let mut out = Vec::new();
        for (position, item) in elements(value).unwrap_or_default().iter().enumerate() {
            let port = self.port(&format!("/network/ports/{}", out.len()), position, item);
            out.extend(port);
        }
        out
    }

    fn port(&mut self, at: &str, position: usize, value: &Value) -> Option<Port> {
        let ValueKind::Dict(pairs) = &value.kind else {
            self.incomplete = true;
            return None;
        };
        self.mark(at, value);
        let get = |name: &str| {
            pairs.iter().find(|(k, _)| matches!(&k.kind, ValueKind::Str(s) if s == name)).map(|(_, v)| v)
        };
        let guest = self.int(below(at, "guest"), get("guest"));
        self.incomplete |= guest.is_none();
        let proto = self.str(below(at, "proto"), get("proto"));
        Some(Port {
            guest: guest?,
            host: self.int(below(at, "host"), get("host")),
            proto: if proto.as_deref() == Some("udp") { Proto::Udp } else { Proto::Tcp },
            host_addr: self.str(below(at, "host_addr"), get("host_addr")),
            guest_addr: self.str_or(below(at, "guest_addr"), get("guest_addr"), "127.0.0.1"),
            mapping_id: self.str_or(below(at, "mapping_id"), get("mapping_id"), &position.to_string()),
        })
    }

    pub(super) fn peers(&mut self, peers: Option<&Value>, depends_on: Option<&Value>) -> Option<Vec<String>> {
        let mut out = self.strs("/network/peers", peers).unwrap_or_default();
        let references = present(depends_on);
        self.incomplete |= references.is_some_and(|r| elements(r).is_none());
        for item in references.and_then(elements).unwrap_or_default() {
            let at = format!("/network/peers/{}", out.len());
            let id = match &item.kind {
                ValueKind::Call(call) => self.str(at, call.get("id")),
                _ => None,
            };
            match id {
                Some(id) => out.push(id),
                None => self.incomplete = true,
            }
        }
        (!out.is_empty()).then_some(out)
    }

    pub(super) fn dns(&mut self, value: Option<&Value>) -> Option<Dns> {
        let call = self.call("/network/dns", value)?;
        Some(match call.helper {
            "dns_none" => Dns::None,
            "dns_system" => Dns::System,
            _ => Dns::Resolver {
                host: self.required("/network/dns/host".into(), call.get("host")),
                port: self.int_or("/network/dns/port".into(), call.get("port"), 53),
            },
        })
    }

    pub(super) fn env(&mut self, at: &str, value: Option<&Value>) -> BTreeMap<String, EnvValue> {
        let mut out = BTreeMap::new();
        let Some(value) = present(value) else { return out };
        let ValueKind::Dict(pairs) = &value.kind else {
            self.incomplete = true;
            return out;
        };
        self.mark(at, value);
        for (key, value) in pairs {
            let ValueKind::Str(name) = &key.kind else {
                self.incomplete = true;
                continue;
            };
            match self.env_value(&below(at, name), name, value) {
                Some(value) => drop(out.insert(name.clone(), value)),
                None => self.incomplete = true,
            }
        }
        out
    }

    fn env_value(&mut self, at: &str, key: &str, value: &Value) -> Option<EnvValue> {
        self.mark(at, value);
        match &value.kind {
            ValueKind::Str(_) => {
                self.str(below(at, "value"), Some(value)).map(|value| EnvValue::Literal { value })
            }
            ValueKind::Call(call) if call.helper == "literal" => {
                let value = self.required(below(at, "value"), call.get("value"));
                Some(EnvValue::Literal { value })
            }
            ValueKind::Call(call) if call.helper == "secret" => {
                Some(EnvValue::SecretRef { r#ref: self.secret(&below(at, "ref"), key, call) })
            }
            _ => None,
        }
    }

    fn secret(&mut self, at: &str, key: &str, call: &HelperCall) -> SecretRef {
        let auth_type = self.str(below(at, "auth_type"), call.get("type"));
        SecretRef {
            name: self.required(below(at, "name"), call.get("name")),
            mount: SecretMount::Env { var: self.str_or(format!("{at}/mount/var"), call.get("var"), key) },
            auth_type: auth_type.and_then(|t| match t.as_str() {
                "bearer" => Some(AuthType::Bearer),
                "basic" => Some(AuthType::Basic),
                "sigv4" => Some(AuthType::Sigv4),
                "hmac" => Some(AuthType::Hmac),
                _ => None,
            }),
            allowed_hosts: self.strs(&below(at, "allowed_hosts"), call.get("hosts")),
        }
    }

    pub(super) fn concurrency(&mut self, at: &str, value: Option<&Value>) -> Option<Concurrency> {
        let call = self.call(at, value)?;
        let mut number = |name: &str| {
            let n = self.int(below(at, name), call.get(name));
            self.incomplete |= n.is_none();
            n.unwrap_or(1)
        };
        Some(Concurrency::WarmProcess {
            pool_size: number("pool_size"),
            max_calls_per_worker: number("max_calls_per_worker"),
            max_rss_mb: number("max_rss_mb"),
            in_process: self.str_or(below(at, "in_process"), call.get("in_process"), "serial"),
            max_queue_depth: self.int(below(at, "max_queue_depth"), call.get("max_queue_depth")),
        })
    }

    pub(super) fn mounts(&mut self, value: Option<&Value>, volumes: &mut Vec<Volume>) -> Vec<Mount> {
        let Some(value) = present(value) else { return Vec::new() };
        self.mark("/mounts", value);
        self.incomplete |= elements(value).is_none();
        let mut out = Vec::new();
        for item in elements(value).unwrap_or_default() {
            let mount = self.mount(&format!("/mounts/{}", out.len()), item, volumes);
            out.extend(mount);
        }
        out
    }

    fn mount(&mut self, at: &str, value: &Value, volumes: &mut Vec<Volume>) -> Option<Mount> {
        let call = self.call(at, Some(value))?;
        let here = below(at, "source");
        let Some(what) = self.call(&here, call.get("source")) else {
            self.incomplete = true;
            return None;
        };
        let source = match what.helper {
            "volume" => {
                let name = self.required(below(&here, "name"), what.get("name"));
                let size_mb = self.int(below(&here, "size_mb"), what.get("size_mb"));
                if !volumes.iter().any(|v| v.name == name) {
                    volumes.push(Volume { name: name.clone(), size_mb });
                }
                MountSource::Volume { name }
            }
            "host_path" => {
                MountSource::HostPath { path: self.required(below(&here, "path"), what.get("path")) }
            }
            _ => MountSource::Tmpfs { size_mb: self.int(below(&here, "size_mb"), what.get("size_mb")) },
        };
        let mode = self.str(below(at, "mode"), call.get("mode"));
        Some(Mount {
            source,
            target: self.required(below(at, "target"), call.get("target")),
            mode: if mode.as_deref() == Some("rw") { MountMode::Rw } else { MountMode::Ro },
        })
    }
}
