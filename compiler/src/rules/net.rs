//! Hosts: what an allowlist entry really is. Each host gets one verdict, so that one mistake makes one finding.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::walk::{call, items, str_of};
use crate::value::{HelperCall, Value, ValueKind};

/// What a host text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A host name or a public address.
    Fine,
    /// `*.example.com`
    Wildcard,
    /// `10.0.0.0/8`
    Cidr,
    /// `https://example.com/v1`, `example.com:8443`: the host in it, and the port it names.
    Decorated {
        /// The host in it.
        host: String,
        /// The port it names.
        port: Option<u16>,
        /// What it has too much.
        extra: &'static str,
    },
    /// Not reachable from a guest by policy: why.
    Private(&'static str),
    /// No host at all: why.
    Malformed(&'static str),
}

/// One destination of a declaration.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The host's value.
    pub value: &'a Value,
    /// The host as written.
    pub host: &'a str,
    /// The port's value; `None`: 443 by `allow_https`.
    pub port: Option<&'a Value>,
    /// Its place in the list.
    pub index: usize,
    /// `allow_https` or `egress`.
    pub field: &'static str,
}

impl Destination<'_> {
    /// The port number, if it is one.
    pub fn port_number(&self) -> Option<u16> {
        match self.port {
            None => Some(443),
            Some(value) => super::walk::int_of(value).and_then(|n| u16::try_from(n).ok()),
        }
    }
}

/// The destinations that a declaration allows.
pub fn destinations(app: &HelperCall) -> Vec<Destination<'_>> {
    let mut found = Vec::new();
    let Some(network) = call(app, "network", "network") else { return found };
    if let Some(list) = network.get("allow_https") {
        for (index, value) in items(list).iter().enumerate() {
            if let Some(host) = str_of(value) {
                found.push(Destination { value, host, port: None, index, field: "allow_https" });
            }
        }
    }
    if let Some(list) = call(network, "egress", "egress").and_then(|e| e.get("allowlist")) {
        for (index, element) in items(list).iter().enumerate() {
            let ValueKind::Call(pair) = &element.kind else { continue };
            let (Some(value), Some(port)) = (pair.get("host"), pair.get("port")) else { continue };
            if let Some(host) = str_of(value) {
                found.push(Destination { value, host, port: Some(port), index, field: "egress" });
            }
        }
    }
    found
}

/// What a host is, leaving aside hosts that the configuration allows.
pub fn judge_allowed(host: &str, allowed: &[String]) -> Verdict {
    match judge(host) {
        Verdict::Private(_) if allowed.iter().any(|a| a.eq_ignore_ascii_case(host.trim_end_matches('.'))) => {
            Verdict::Fine
        }
        verdict => verdict,
    }
}

/// What a host is.
pub fn judge(host: &str) -> Verdict {
    if host.is_empty() {
        return Verdict::Malformed("it is empty");
    }
    if let Some(verdict) = decorated(host) {
        return verdict;
    }
    if host.contains('*') {
        return Verdict::Wildcard;
    }
    if let Some(address) = address(host) {
        return private_address(address).map_or(Verdict::Fine, Verdict::Private);
    }
    if let Some(why) = private_name(host) {
        return Verdict::Private(why);
    }
    malformed(host).map_or(Verdict::Fine, Verdict::Malformed)
}

fn decorated(text: &str) -> Option<Verdict> {
    let (rest, scheme) = match text.split_once("://") {
        Some((_, rest)) => (rest, true),
        None => (text, false),
    };
    let (authority, path) = match rest.find(['/', '?', '#']) {
        Some(at) => (&rest[..at], &rest[at..]),
        None => (rest, ""),
    };
    let bits = path.strip_prefix('/').unwrap_or_default();
    if !scheme && !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) && address(authority).is_some()
    {
        return Some(Verdict::Cidr);
    }
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let bare_v6 = authority.matches(':').count() > 1 && !authority.starts_with('[');
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !bare_v6 && !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let extra = if scheme {
        "it is a URL"
    } else if !path.is_empty() {
        "it has a path"
    } else if text.contains('@') {
        "it names a user"
    } else if port.is_some() {
        "it names a port"
    } else {
        return None;
    };
    let implied = match text.split_once("://").map(|(scheme, _)| scheme) {
        Some("http" | "ws") => Some(80),
        Some("https" | "wss") => Some(443),
        _ => None,
    };
    let port = match port {
        Some(port) => port.parse::<u16>().ok(),
        None => implied,
    };
    Some(Verdict::Decorated { host: host.to_owned(), port, extra })
}

/// An address in any spelling that a resolver takes: dotted, short, decimal, octal, hex, IPv6.
pub fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    let text = text.split('%').next().unwrap_or(text);
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    let numbers: Vec<u64> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|n| *n > 255) {
        return None;
    }
    let room = 8 * (4 - first.len() as u32);
    if room < 64 && *last >= 1u64 << room {
        return None;
    }
    let high = first.iter().enumerate().fold(0u64, |all, (i, n)| all | n << (24 - 8 * i));
    u32::try_from(high | last).ok().map(|n| IpAddr::V4(Ipv4Addr::from(n)))
}

fn number(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    if let Some(hex) = lower.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok();
    }
    match lower.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ => lower.parse().ok(),
    }
}

/// Why an address is not public.
pub fn private_address(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => private_v4(v4),
        IpAddr::V6(v6) => private_v6(v6),
    }
}

fn private_v4(a: Ipv4Addr) -> Option<&'static str> {
    let [first, second, third, _] = a.octets();
    Some(match (first, second, third) {
        (0, ..) => "it is an unspecified address, which means this host",
        (127, ..) => "it is a loopback address",
        (169, 254, _) if a.octets()[3] == 254 => {
            "it is the cloud's metadata service, which hands out credentials"
        }
        (169, 254, _) => "it is a link-local address",
        (10, ..) | (192, 168, _) => "it is a private address",
        (172, 16..=31, _) => "it is a private address",
        (100, 64..=127, _) => "it is a carrier's private address",
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) => "it is an address reserved for documentation",
        (198, 18 | 19, _) => "it is an address reserved for benchmarks",
        (224..=239, ..) => "it is a multicast address",
        (240..=255, ..) => "it is a reserved address",
        _ => return None,
    })
}

fn private_v6(a: Ipv6Addr) -> Option<&'static str> {
    if let Some(v4) = a.to_ipv4_mapped() {
        return private_v4(v4);
    }
    let s = a.segments();
    Some(match s[0] {
        _ if a.is_loopback() => "it is a loopback address",
        _ if a.is_unspecified() => "it is an unspecified address, which means this host",
        _ if s == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => {
            "it is the cloud's metadata service, which hands out credentials"
        }
        0x64 if s[1] == 0xff9b => return private_v4(Ipv4Addr::from(u32::from(s[6]) << 16 | u32::from(s[7]))),
        0xfc00..=0xfdff => "it is a private address",
        0xfe80..=0xfebf => "it is a link-local address",
        0xff00..=0xffff => "it is a multicast address",
        0x2001 if s[1] == 0xdb8 => "it is an address reserved for documentation",
        _ => return None,
    })
}

fn private_name(host: &str) -> Option<&'static str> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let ends = |suffix: &str| host == suffix[1..] || host.ends_with(suffix);
    if matches!(
        host.as_str(),
        "metadata.google.internal" | "metadata" | "instance-data" | "metadata.azure.com"
    ) {
        return Some("it is the cloud's metadata service, which hands out credentials");
    }
    if ends(".localhost")
        || matches!(
            host.as_str(),
            "localhost.localdomain" | "ip6-localhost" | "host.docker.internal" | "kubernetes.default.svc"
        )
    {
        return Some("it is this host");
    }
    if ends(".local")
        || ends(".internal")
        || ends(".localdomain")
        || ends(".home.arpa")
        || ends(".intranet")
        || ends(".lan")
        || ends(".cluster.local")
    {
        return Some("it is a name of a private network");
    }
    None
}

fn malformed(host: &str) -> Option<&'static str> {
    let name = host.strip_suffix('.').unwrap_or(host);
    if host.contains(char::is_whitespace) {
        return Some("it holds white space");
    }
    if !host.is_ascii() {
        return Some("it is not ASCII; write an international name in its `xn--` form");
    }
    if name.len() > 253 {
        return Some("it is longer than 253 characters");
    }
    if host.contains(',') {
        return Some("it is a list; write one entry for each host");
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Some("it has an empty label between its dots");
        }
        if label.len() > 63 {
            return Some("it has a label longer than 63 characters");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Some("one of its labels begins or ends with a hyphen");
        }
        if !label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return Some("a host name has only letters, digits, hyphens and dots");
        }
    }
    if name.split('.').next_back().is_some_and(|top| top.bytes().all(|b| b.is_ascii_digit())) {
        return Some("it is neither an address nor a name");
    }
    (!name.contains('.')).then_some("it has no domain: a public host is a name with a dot")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_private_address_is_seen() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
            "fe80::1",
            "fd00::1",
            "64:ff9b::7f00:1",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "printer.local",
            "metadata.google.internal",
            "host.docker.internal",
        ] {
            assert!(matches!(judge(host), Verdict::Private(_)), "{host}: {:?}", judge(host));
        }
        for host in [
            "example.com",
            "api.openai.com",
            "8.8.8.8",
            "2606:4700::1111",
            "a-b.c_d.example.com",
            "example.com.",
        ] {
            assert_eq!(judge(host), Verdict::Fine, "{host}");
        }
    }

    #[test]
    fn what_is_more_than_a_host_is_taken_apart() {
        let of = |host: &str, port| (host.to_owned(), port);
        for (text, expected) in [
            ("https://api.example.com/v1", of("api.example.com", Some(443))),
            ("http://api.example.com", of("api.example.com", Some(80))),
            ("api.example.com:8443", of("api.example.com", Some(8443))),
            ("api.example.com/v1", of("api.example.com", None)),
            ("[2606:4700::1111]:443", of("2606:4700::1111", Some(443))),
            ("https://u@h.example.com", of("h.example.com", Some(443))),
        ] {
            match judge(text) {
                Verdict::Decorated { host, port, .. } => assert_eq!((host, port), expected, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_rest_is_named() {
        assert_eq!(judge("*.example.com"), Verdict::Wildcard);
        assert_eq!(judge("*"), Verdict::Wildcard);
        assert_eq!(judge("10.0.0.0/8"), Verdict::Cidr);
        assert_eq!(judge("2606:4700::/32"), Verdict::Cidr);
        for host in ["", "a b", "-a.com", "a..com", "ä.com", "1.2.3.4.5", "256.1.1.1", "example", "a,b.com"]
        {
            assert!(matches!(judge(host), Verdict::Malformed(_)), "{host}: {:?}", judge(host));
        }
    }
}
