//! The guest's only way out: a proxy on the host that applies the declared allowlist. It resolves names itself,
//! refuses addresses that are not public, connects to the very address it checked, and on port 443 looks whether
//! the TLS greeting names the host that was allowed.

mod address;
mod connect;
mod sni;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use agent_protocol::Destination;
use serde::{Deserialize, Serialize};
use workload_ir::{App, NetworkMode};

pub use address::is_public;
pub(crate) use connect::{Limits, copy_both, serve};
pub use sni::{Greeting, server_name};

use crate::machine::ConnectTo;

/// What a guest may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Destinations, names in lower case.
    pub allow: BTreeSet<Destination>,
    /// Any public address, whatever the list says.
    pub open: bool,
    /// Destinations sent elsewhere by the operator.
    pub connect_to: Vec<ConnectTo>,
}

impl Policy {
    /// The policy that an app declares.
    pub fn of(app: &App, connect_to: &[ConnectTo]) -> Policy {
        let network = &app.network;
        if network.mode == NetworkMode::None {
            return Policy::default();
        }
        let list = network.egress.iter().flat_map(|egress| &egress.allowlist);
        Policy {
            allow: list.map(|to| destination(&to.host, to.port)).collect(),
            open: network.mode == NetworkMode::Bridge && network.egress.is_none(),
            connect_to: connect_to.to_vec(),
        }
    }

    /// Whether anything can pass at all.
    pub fn is_closed(&self) -> bool {
        self.allow.is_empty() && !self.open
    }

    /// Where to connect for a destination: every address has been checked. The error is for the guest and the log.
    pub fn resolve(&self, asked: &Destination) -> Result<Vec<SocketAddr>, String> {
        let asked = destination(&asked.host, asked.port);
        let name = format!("{}:{}", printable(&asked.host), asked.port);
        if !self.open && !self.allow.contains(&asked) {
            return Err(format!("{name} is not in the allowlist"));
        }
        let elsewhere =
            self.connect_to.iter().find(|to| normal(&to.host) == asked.host && to.port == asked.port);
        if let Some(to) = elsewhere {
            return Ok(vec![to.address]);
        }
        let found: Vec<SocketAddr> = match asked.host.parse::<IpAddr>() {
            Ok(ip) => vec![SocketAddr::new(ip, asked.port)],
            Err(_) => (asked.host.as_str(), asked.port)
                .to_socket_addrs()
                .map_err(|e| format!("{name} cannot be resolved: {e}"))?
                .collect(),
        };
        let public: Vec<_> =
            found.iter().copied().filter(|address| is_public(address.ip())).take(8).collect();
        if public.is_empty() {
            return Err(format!("{name} leads to no public address"));
        }
        Ok(public)
    }
}

/// A guest chooses the name: no control characters in the log, and no more of it than a name has.
fn printable(host: &str) -> String {
    host.chars().filter(|c| c.is_ascii_graphic()).take(253).collect()
}

fn destination(host: &str, port: u16) -> Destination {
    Destination { host: normal(host), port }
}

/// Names are compared without case and without the root's dot.
fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[(&str, u16)]) -> Policy {
        Policy {
            allow: allow.iter().map(|(host, port)| destination(host, *port)).collect(),
            ..Policy::default()
        }
    }

    fn ask(policy: &Policy, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        policy.resolve(&Destination { host: host.into(), port })
    }

    #[test]
    fn only_what_is_listed_passes_by_name_and_port() {
        let policy = policy(&[("93.184.216.34", 443)]);
        assert!(ask(&policy, "93.184.216.34", 443).is_ok());
        for (host, port) in [("93.184.216.34", 80), ("93.184.216.35", 443), ("example.com", 443), ("", 443)] {
            let error = ask(&policy, host, port).unwrap_err();
            assert!(error.contains("not in the allowlist"), "{error}");
        }
    }

    #[test]
    fn a_listed_private_address_is_still_refused() {
        for host in ["127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "localhost"] {
            let error = ask(&policy(&[(host, 80)]), host, 80).unwrap_err();
            assert!(error.contains("no public address"), "{error}");
        }
    }

    #[test]
    fn the_operator_may_send_an_allowed_destination_elsewhere_but_allow_nothing() {
        let to: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let connect_to = |host: &str| vec![ConnectTo { host: host.into(), port: 443, address: to }];
        let allowed =
            Policy { connect_to: connect_to("API.example.com"), ..policy(&[("api.example.com", 443)]) };
        assert_eq!(ask(&allowed, "api.example.com.", 443), Ok(vec![to]));
        let not_allowed = Policy { connect_to: connect_to("other.example.com"), ..policy(&[]) };
        assert!(ask(&not_allowed, "other.example.com", 443).is_err());
    }

    #[test]
    fn an_open_policy_still_refuses_private_addresses() {
        let open = Policy { open: true, ..Policy::default() };
        assert!(ask(&open, "8.8.8.8", 53).is_ok());
        assert!(ask(&open, "192.168.1.1", 80).is_err());
    }
}
