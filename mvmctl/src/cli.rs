//! The command line as data: every command, its arguments, its help. What they do is in `commands`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use vmm_core::machine::{ConnectTo, HypervisorChoice};

/// Compile, build and run `@mvm.app` workloads in microVMs.
#[derive(Debug, Parser)]
#[command(
    name = "mvmctl",
    version,
    about,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 fine, 1 findings or the workload failed, 2 usage or configuration, \
                  3 the environment lacks something (see `mvmctl doctor`), 4 internal error, 130 interrupted."
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Copy, Debug, Args)]
pub struct Global {
    /// Machine-readable output: the result as JSON on standard output; progress and errors as JSON lines on standard
    /// error
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more: times, cached steps, causes of errors
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn a declaration into Workload IR, without importing or executing it
    Compile(CompileArgs),
    /// Make the image of a workload
    Build(BuildArgs),
    /// Boot a built workload and leave it running
    Up(UpArgs),
    /// Call a function of a running workload and print its result as JSON
    Call(CallArgs),
    /// Compile, build, boot, call and stop, in one go
    Run(RunArgs),
    /// List machines
    Ps,
    /// Print what a machine has written
    Logs(LogsArgs),
    /// Stop machines
    Down(DownArgs),
    /// Keep secrets that workloads refer to
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Tell what this host can do and what it lacks
    Doctor,
    /// Delete cached layers, packages and kernels that no artifact and no machine needs
    Gc(GcArgs),
    /// Look at Workload IR
    #[command(subcommand)]
    Ir(IrCommand),
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// `mvmctl compile`
#[derive(Debug, Args)]
pub struct CompileArgs {
    /// A `.py` file, an IR `.json` file, or `-` for IR on standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Where to write `workload.json` and the collected source; `-` prints the IR and writes nothing
    #[arg(short, long, value_name = "DIR|-", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
}

/// How a build behaves.
#[derive(Clone, Debug, Args)]
pub struct BuildFlags {
    /// Take the nearest version the package source has when the declared one is not there (recorded in the lock)
    #[arg(long)]
    pub allow_substitute: bool,
    /// Do not reach for the network: use what is cached, or fail
    #[arg(long, env = "MVM_OFFLINE", value_parser = clap::builder::FalseyValueParser::new())]
    pub offline: bool,
    /// Lock of exact package versions to obey and to update
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, env = "MVM_LOCK")]
    pub lock: Option<PathBuf>,
}

/// How a machine is started.
#[derive(Clone, Debug, Args)]
pub struct LaunchFlags {
    /// What runs the machine
    #[arg(long, value_enum, default_value_t, env = "MVM_HYPERVISOR")]
    pub hypervisor: Hypervisor,
    /// Send connections for HOST:PORT to ADDR:PORT instead, as curl does; for tests and mirrors
    #[arg(long, value_name = "HOST:PORT:ADDR:PORT", value_parser = parse_connect_to)]
    pub connect_to: Vec<ConnectTo>,
    /// Give up when the function is not ready after this long
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "120s")]
    pub boot_timeout: Duration,
    /// Make a snapshot first if there is none that fits; machines then start from it
    #[arg(long, conflicts_with = "no_snapshot")]
    pub snapshot: bool,
    /// Boot, even if there is a snapshot to start from
    #[arg(long, env = "MVM_NO_SNAPSHOT", value_parser = clap::builder::FalseyValueParser::new())]
    pub no_snapshot: bool,
}

/// `mvmctl build`
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// What `compile --out` wrote, or any file that `compile` takes
    #[arg(value_name = "DIR|FILE", value_hint = ValueHint::AnyPath)]
    pub input: PathBuf,
    /// How to build.
    #[command(flatten)]
    pub flags: BuildFlags,
}

/// `mvmctl up`
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Id of a built workload
    pub name: String,
    /// Only this app of the workload
    #[arg(long)]
    pub app: Option<String>,
    /// How to start.
    #[command(flatten)]
    pub launch: LaunchFlags,
}

/// What is called, and with what.
#[derive(Debug, Args)]
pub struct CallFlags {
    /// A JSON object (arguments by name), a JSON array (by position), or `name=text` and `name:=JSON` pairs
    #[arg(value_name = "ARGS")]
    pub arguments: Vec<String>,
    /// Which function; the primary one unless told
    #[arg(short, long)]
    pub function: Option<String>,
    /// Kill the call after this long (`500ms`, `30s`, `5m`); `none` lets it run for as long as it lives
    #[arg(short, long, value_name = "TIME", value_parser = parse_limit, default_value = "10m")]
    pub timeout: Limit,
}

/// A time limit, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

/// `mvmctl call`
#[derive(Debug, Args)]
pub struct CallArgs {
    /// Name of a running machine
    pub name: String,
    /// The call.
    #[command(flatten)]
    pub call: CallFlags,
}

/// `mvmctl run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A `.py` file, an IR `.json` file, `-` for IR on standard input, or a directory that `compile --out` wrote
    #[arg(value_hint = ValueHint::AnyPath)]
    pub file: PathBuf,
    /// The call.
    #[command(flatten)]
    pub call: CallFlags,
    /// Which app, where the workload has several
    #[arg(long)]
    pub app: Option<String>,
    /// How to build.
    #[command(flatten)]
    pub build: BuildFlags,
    /// How to start.
    #[command(flatten)]
    pub launch: LaunchFlags,
}

/// `mvmctl logs`
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Name of a machine
    pub name: String,
    /// Go on printing until the machine stops
    #[arg(short, long)]
    pub follow: bool,
}

/// `mvmctl down`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["name", "all"]))]
pub struct DownArgs {
    /// Name of a machine, or the id of a workload (all of its machines)
    pub name: Option<String>,
    /// Every machine
    #[arg(long)]
    pub all: bool,
}

/// `mvmctl secret`
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Store a secret: the value is read from standard input, or asked for on a terminal; never an argument
    Set {
        /// Its name, as in `mvm.secret("name")`
        name: String,
    },
    /// List names; values are never shown
    Ls,
    /// Forget a secret
    Rm {
        /// Its name
        name: String,
    },
}

/// `mvmctl gc`
#[derive(Debug, Args)]
pub struct GcArgs {
    /// Only say what would be deleted
    #[arg(long)]
    pub dry_run: bool,
}

/// `mvmctl ir`
#[derive(Debug, Subcommand)]
pub enum IrCommand {
    /// Check an IR file, or the IR that a declaration becomes
    Validate {
        /// A `.py` or IR `.json` file, or `-` for IR on standard input
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print the IR hash: SHA-256 of the canonical JSON
    Hash {
        /// A `.py` or IR `.json` file, or `-` for IR on standard input
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Compare two workloads value by value; exit code 0 when they are equal, 1 when they differ
    Diff {
        /// The old one: a `.py` or IR `.json` file, or `-` for IR on standard input
        #[arg(value_hint = ValueHint::FilePath)]
        old: PathBuf,
        /// The new one, likewise
        #[arg(value_hint = ValueHint::FilePath)]
        new: PathBuf,
    },
    /// Print the JSON Schema of Workload IR
    Schema,
}

/// `--hypervisor`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Hypervisor {
    /// mvm's own VMM where the hardware runs guests, else QEMU
    #[default]
    Auto,
    /// mvm's own VMM on KVM
    Kvm,
    /// QEMU
    Qemu,
}

impl From<Hypervisor> for HypervisorChoice {
    fn from(choice: Hypervisor) -> Self {
        match choice {
            Hypervisor::Auto => HypervisorChoice::Auto,
            Hypervisor::Kvm => HypervisorChoice::Kvm,
            Hypervisor::Qemu => HypervisorChoice::Qemu,
        }
    }
}

/// `500ms`, `30s`, `5m`, `1h`; a bare number is seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("unknown unit `{unit}`; use ms, s, m or h")),
    };
    let number: f64 = digits.parse().map_err(|_| "expected a time such as 500ms, 30s or 5m".to_owned())?;
    match Duration::try_from_secs_f64(number * factor) {
        Ok(time) if time >= Duration::from_millis(1) && time <= Duration::from_secs(86_400) => Ok(time),
        _ => Err("expected a time between 1ms and 24h".to_owned()),
    }
}

/// A time, or `none`.
fn parse_limit(text: &str) -> Result<Limit, String> {
    if text == "none" { Ok(Limit(None)) } else { parse_duration(text).map(|time| Limit(Some(time))) }
}

/// `api.example.com:443:127.0.0.1:8443`, IPv6 addresses in brackets.
fn parse_connect_to(text: &str) -> Result<ConnectTo, String> {
    let wrong = || "expected HOST:PORT:ADDR:PORT, for example api.example.com:443:127.0.0.1:8443".to_owned();
    let (host, rest) = take_host(text).ok_or_else(wrong)?;
    let (port, rest) = rest.split_once(':').ok_or_else(wrong)?;
    let (address, to_port) = take_host(rest).ok_or_else(wrong)?;
    let port = parse_port(port)?;
    let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is not an IP address"))?;
    Ok(ConnectTo { host: host.to_owned(), port, address: SocketAddr::new(address, parse_port(to_port)?) })
}

/// Splits `host:rest` or `[v6]:rest`.
fn take_host(text: &str) -> Option<(&str, &str)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']')?;
            (host, rest.strip_prefix(':')?)
        }
        None => text.split_once(':')?,
    };
    (!host.is_empty()).then_some((host, rest))
}

fn parse_port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("`{text}` is not a port (1–65535)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1.5", 1500)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "0", "-1s", "1d", "25h", "NaN", "inf", "1e400"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_call_has_a_limit_unless_it_is_taken_off() {
        let limit = |args: &[&str]| {
            let cli = Cli::try_parse_from([&["mvmctl", "call", "name"], args].concat()).unwrap();
            let Command::Call(CallArgs { call, .. }) = cli.command else { unreachable!() };
            call.timeout.0
        };
        assert_eq!(limit(&[]), Some(vmm_core::workflow::CALL_TIMEOUT), "the documented one");
        assert_eq!(limit(&["--timeout", "2s"]), Some(Duration::from_secs(2)));
        assert_eq!(limit(&["--timeout", "none"]), None);
    }

    #[test]
    fn connect_to() {
        let parsed = parse_connect_to("api.example.com:443:127.0.0.1:8443").unwrap();
        assert_eq!((parsed.host.as_str(), parsed.port), ("api.example.com", 443));
        assert_eq!(parsed.address, "127.0.0.1:8443".parse().unwrap());
        let parsed = parse_connect_to("h:80:[::1]:8080").unwrap();
        assert_eq!(parsed.address, "[::1]:8080".parse().unwrap());
        for text in
            ["", "h:80", "h:80:127.0.0.1", "h:0:127.0.0.1:1", ":80:127.0.0.1:1", "h:80:name:1", "h:80:[::1:1"]
        {
            assert!(parse_connect_to(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_value_cannot_be_an_argument() {
        assert!(Cli::try_parse_from(["mvmctl", "secret", "set", "name", "value"]).is_err());
    }
}
