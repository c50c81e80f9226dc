//! What commands do against the machine's policy: verification of TLS, proxy and names, firewall, kernel, rights, tunnels.

use super::programs::{has_letter, is_interpreter};
use super::shell::Simple;

const TLS: &str = "turns off the verification of TLS";
const PROXY: &str = "goes around or changes the proxy";
const RIGHTS: &str = "asks for more rights than the workload has";
const TUNNEL: &str = "opens a tunnel past the allowlist";

/// Programs that do one thing, and which.
const PROGRAMS: &[(&[&str], &str)] = &[
    (
        &["iptables", "ip6tables", "nft", "ufw", "firewall-cmd", "ebtables", "arptables", "ipset", "pfctl"],
        "changes the firewall",
    ),
    (&["insmod", "modprobe", "rmmod", "kmod"], "loads or removes kernel modules"),
    (&["setcap", "capsh"], "gives capabilities to a program"),
    (&["setenforce", "aa-disable", "aa-complain", "apparmor_parser"], "turns off mandatory access control"),
    (
        &[
            "ngrok",
            "cloudflared",
            "chisel",
            "frpc",
            "frps",
            "localtunnel",
            "lt",
            "bore",
            "sshuttle",
            "autossh",
            "openvpn",
            "wg-quick",
            "tailscale",
            "zerotier-cli",
            "tor",
            "torsocks",
            "torify",
            "proxychains",
            "proxychains4",
            "stunnel",
            "iodine",
            "gost",
            "socat",
            "redsocks",
        ],
        TUNNEL,
    ),
    (&["tcpdump", "tshark", "nmap", "hping3", "arpspoof", "masscan"], "opens raw sockets"),
];

/// Flags that turn the verification of TLS off, whoever takes them.
const INSECURE: &[&str] = &[
    "--insecure",
    "--proxy-insecure",
    "--no-check-certificate",
    "--no-verify-ssl",
    "--trusted-host",
    "--allow-insecure-host",
    "--insecure-skip-tls-verify",
    "--insecure-skip-verify",
    "--tls-verify=false",
    "--src-tls-verify=false",
    "--dest-tls-verify=false",
    "--verify=no",
    "--allow-unauthenticated",
    "--nogpgcheck",
    "--no-gpg-check",
    "--no-gpg-checks",
];

/// What a command bypasses, fit to follow the hook's name.
pub fn bypass(command: &Simple) -> Option<&'static str> {
    let assigned = |(name, value): &(String, String)| setting(name, value);
    if let Some(what) = command.assignments.iter().find_map(assigned).or_else(|| written(command)) {
        return Some(what);
    }
    let (name, arguments) = command.program()?;
    if command
        .wrappers()
        .into_iter()
        .chain([name])
        .any(|name| matches!(name, "sudo" | "doas" | "su" | "pkexec"))
    {
        return Some(RIGHTS);
    }
    // `env A=b tool`, `export A=b`
    let sets =
        matches!(name, "export" | "env" | "declare" | "readonly") || command.wrappers().contains(&"env");
    let mut pairs = command.words.iter().filter_map(|word| word.split_once('=')).filter(|_| sets);
    if let Some(what) = pairs.find_map(|(name, value)| setting(name, value)) {
        return Some(what);
    }
    let known = PROGRAMS.iter().find(|(names, _)| names.iter().any(|n| is_same(name, n)));
    known.map(|(_, what)| *what).or_else(|| of_arguments(name, arguments))
}

/// `iptables-restore` is `iptables`.
fn is_same(name: &str, known: &str) -> bool {
    name == known || matches!(known, "iptables" | "ip6tables") && name.starts_with(known)
}

/// An environment variable that turns something off.
fn setting(name: &str, value: &str) -> Option<&'static str> {
    let off = matches!(value, "0" | "false" | "no" | "");
    match name {
        "NODE_TLS_REJECT_UNAUTHORIZED" | "PYTHONHTTPSVERIFY" if off => Some(TLS),
        "GIT_SSL_NO_VERIFY" | "PIP_TRUSTED_HOST" | "GOINSECURE" | "UV_INSECURE_HOST" if !off => Some(TLS),
        "REQUESTS_CA_BUNDLE" | "CURL_CA_BUNDLE" | "SSL_CERT_FILE" if off || value == "/dev/null" => Some(TLS),
        _ => match name.to_ascii_lowercase().as_str() {
            "http_proxy" | "https_proxy" | "all_proxy" => Some(PROXY),
            "no_proxy" if value.contains('*') => Some(PROXY),
            _ => None,
        },
    }
}

/// Files that decide over names, rights and the kernel.
fn written(command: &Simple) -> Option<&'static str> {
    let (name, arguments) = command.program()?;
    let files = command.outputs.iter().chain(arguments.iter().filter(|_| name == "tee"));
    files.map(String::as_str).find_map(|file| match file {
        "/etc/hosts" | "/etc/resolv.conf" | "/etc/nsswitch.conf" => Some("changes how names are resolved"),
        "/etc/ld.so.preload" | "/etc/passwd" | "/etc/shadow" | "/etc/sudoers" => Some(RIGHTS),
        _ if file.starts_with("/etc/sudoers.d/") => Some(RIGHTS),
        _ if file.starts_with("/proc/sys/") || file.starts_with("/sys/") => {
            Some("changes the kernel's settings")
        }
        _ => None,
    })
}

fn of_arguments(name: &str, arguments: &[String]) -> Option<&'static str> {
    let has = |flags: &[&str]| arguments.iter().any(|a| flags.contains(&a.as_str()));
    let joined = arguments.join(" ");
    let lower = joined.to_ascii_lowercase();
    let first = arguments.first().map_or("", String::as_str);
    let prints = matches!(name, "echo" | "printf" | "grep" | "test" | "[" | "rg" | "sed" | "awk");
    if !prints && has(INSECURE) {
        return Some(TLS);
    }
    Some(match name {
        "curl" if has_letter(arguments, 'k', "AbcCdDeEFHhKmoPQrTtuUwXxYyz") => TLS,
        "curl" if has(&["-x", "--proxy", "--noproxy", "--preproxy", "--socks5", "--socks5-hostname"]) => {
            PROXY
        }
        "wget" if has(&["--no-proxy"]) || joined.contains("use_proxy=no") => PROXY,
        "unset" if arguments.iter().any(|n| is_proxy(n)) => PROXY,
        "env" if arguments.windows(2).any(|pair| pair[0] == "-u" && is_proxy(&pair[1])) => PROXY,
        "git"
            if ["sslverify false", "sslverify=false", "sslverify=0", "sslverify 0"]
                .iter()
                .any(|s| lower.contains(s)) =>
        {
            TLS
        }
        "git" if first == "config" && (lower.contains("http.proxy") || lower.contains("https.proxy")) => {
            PROXY
        }
        "npm" | "yarn" | "pnpm"
            if ["strict-ssl false", "strict-ssl=false", "enablestrictssl false"]
                .iter()
                .any(|s| lower.contains(s)) =>
        {
            TLS
        }
        "npm" | "yarn" | "pnpm" if lower.contains("set proxy") || lower.contains("set https-proxy") => PROXY,
        "pip" | "pip3" if first == "config" && lower.contains("trusted-host") => TLS,
        "apt-get" | "apt" if lower.contains("verify-peer=false") || lower.contains("verify-host=false") => {
            TLS
        }
        "echo" | "printf" if lower.contains("trusted=yes") => TLS,
        "ssh" | "scp" | "sftp" | "rsync"
            if lower.contains("stricthostkeychecking=no") || lower.contains("stricthostkeychecking no") =>
        {
            "turns off the verification of host keys"
        }
        "ssh" if "RDwL".chars().any(|letter| has_letter(arguments, letter, "bcEeFIiJlmOopQSW")) => TUNNEL,
        "nc" | "ncat" | "netcat" if "lec".chars().any(|letter| has_letter(arguments, letter, "ipswxX")) => {
            TUNNEL
        }
        "ip" if matches!(first, "route" | "rule" | "link" | "addr" | "address" | "tuntap" | "netns")
            && has(&["add", "del", "delete", "set", "replace", "change", "flush", "exec"]) =>
        {
            "changes the machine's network"
        }
        "route" | "ifconfig" if arguments.len() > 1 => "changes the machine's network",
        "mount" | "umount" | "pivot_root" | "chroot" | "unshare" | "nsenter" | "losetup" | "sshfs"
            if !arguments.is_empty() =>
        {
            "changes what is mounted or which namespace it is in"
        }
        "chmod" | "install" if arguments.iter().any(|a| is_setuid(a)) => {
            "makes a program run with its owner's rights"
        }
        "sysctl" if has(&["-w", "-p"]) || joined.contains('=') => "changes the kernel's settings",
        _ if is_interpreter(name) && is_unverified(&joined) => TLS,
        _ => return None,
    })
}

fn is_proxy(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), "http_proxy" | "https_proxy" | "all_proxy")
}

/// Code on a command line that connects without verification.
fn is_unverified(code: &str) -> bool {
    [
        "_create_unverified_context",
        "verify=False",
        "rejectUnauthorized: false",
        "rejectUnauthorized:false",
        "CERT_NONE",
    ]
    .iter()
    .any(|part| code.contains(part))
}

/// `4755`, `u+s`, `ug=rwxs`
fn is_setuid(mode: &str) -> bool {
    let digits = mode.trim_start_matches('0');
    let octal =
        digits.len() == 4 && digits.bytes().all(|b| (b'0'..=b'7').contains(&b)) && !digits.starts_with('1');
    let clause = |clause: &str| {
        let who = clause.trim_start_matches(['u', 'g', 'o', 'a']);
        let set = who.strip_prefix(['+', '=']);
        set.is_some_and(|set| set.contains('s') && set.chars().all(|c| "rwxXst".contains(c)))
    };
    octal || mode.split(',').any(clause)
}

#[cfg(test)]
mod tests {
    use super::super::shell::{flatten, parse};
    use super::*;

    fn found(line: &str) -> bool {
        flatten(&parse(line)).iter().any(|(command, _)| bypass(command).is_some())
    }

    #[test]
    fn what_goes_against_the_policy_is_found() {
        for line in [
            "curl -sk https://example.com",
            "curl -fsSLk https://example.com -o f",
            "wget --no-check-certificate https://example.com",
            "git -c http.sslverify=false clone https://example.com/x",
            "GIT_SSL_NO_VERIFY=1 git pull",
            "env NODE_TLS_REJECT_UNAUTHORIZED=0 node a.js",
            "export PYTHONHTTPSVERIFY=0",
            "pip install --trusted-host packages.example.com x",
            "python3 -c \"import requests; requests.get('https://example.com', verify=False)\"",
            "unset https_proxy",
            "export NO_PROXY='*'",
            "HTTPS_PROXY=http://192.0.2.1:3128 curl https://example.com",
            "curl --noproxy '*' https://example.com",
            "env nohup sudo tool",
            "time sudo tool",
            "su - root -c tool",
            "/sbin/iptables-restore < rules",
            "ip route add default via 192.0.2.1",
            "modprobe tun",
            "mount -t tmpfs none /mnt",
            "chmod 4755 tool",
            "chmod ug+rwxs tool",
            "install -m 04755 tool /usr/bin/tool",
            "ssh -fNR 8080:localhost:80 host",
            "ssh -o StrictHostKeyChecking=no host",
            "nc -lvp 4444",
            "tcpdump -i any",
            "echo '192.0.2.1 db' | tee -a /etc/hosts",
            "echo 1 > /proc/sys/net/ipv4/ip_forward",
            "sh -c 'sysctl -w vm.swappiness=1'",
            "bash <<EOF\nsudo tool\nEOF",
        ] {
            assert!(found(line), "{line}");
        }
    }

    #[test]
    fn what_only_resembles_it_is_left_alone() {
        for line in [
            "curl -fsSL https://example.com -o k",
            "curl -H 'X-Kind: k' https://example.com",
            "curl -fsSokey https://example.com",
            "chmod 0755 tool",
            "chmod 1777 /tmp/x",
            "chmod a+x,g-s tool",
            "chmod u=rwx,go=rx tool",
            "git config user.name sslverify",
            "echo 'curl --insecure'",
            "grep --insecure f",
            "ip addr show",
            "mount",
            "ssh host tool",
            "nc -z db 5432",
            "unset TOKEN",
            "export NO_PROXY=localhost",
            "env LANG=C sort f",
            "tee build/hosts < f",
            "cat /etc/hosts",
            "cat > doc.txt <<EOF\nsudo tool\nEOF",
            "echo sudo",
            "sysctl -n kernel.hostname",
        ] {
            assert!(!found(line), "{line}");
        }
    }
}
