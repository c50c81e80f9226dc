//! The command line of `mvm-lsp`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand, ValueEnum};

/// Language server and checker for mvm declarations.
///
/// Without `--check` it speaks the Language Server Protocol on standard input and output.
#[derive(Debug, Parser)]
#[command(name = "mvm-lsp", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Exit codes of --check: 0 nothing found, 1 findings, 2 usage, configuration or a file that cannot be \
read, 3 a result that cannot be written, 4 a defect of mvm-lsp itself."
)]
pub struct Cli {
    /// Check files and directories and print what is found.
    #[arg(long)]
    pub check: bool,

    /// Speak the Language Server Protocol on standard input and output (the default).
    #[arg(long, conflicts_with = "check")]
    pub stdio: bool,

    /// Record the session, secrets masked.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["check", "replay"])]
    pub record: Option<PathBuf>,

    /// Replay the client's side of a recording and print what the server says.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub replay: Option<PathBuf>,

    /// How to check and print.
    #[command(flatten)]
    pub options: CheckOptions,

    /// Other things to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of `--check`.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Checking (with --check)")]
pub struct CheckOptions {
    /// Files, directories and patterns (`'src/**/*.py'`); `-` is standard input. Default: the current directory.
    ///
    /// Directories are walked: `.py` and `.pyw` files that no `.gitignore` leaves out. A `.json` file that is named is
    /// read as Workload IR.
    #[arg(requires = "check")]
    pub paths: Vec<PathBuf>,

    /// Output format, `FORMAT` or `FORMAT=FILE`; may be given several times.
    #[arg(long = "output", alias = "format", value_name = "FORMAT[=FILE]", requires = "check")]
    pub outputs: Vec<Output>,

    /// Colour the output.
    #[arg(long, value_enum, default_value_t = Color::Auto, requires = "check")]
    pub color: Color,

    /// Link rules and places, for terminals that can follow them.
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN", requires = "check")]
    pub hyperlinks: Color,

    /// Apply the fixes that are safe.
    #[arg(long, requires = "check")]
    pub fix: bool,

    /// With --fix or --diff: apply also those that a human should choose.
    #[arg(long, requires = "check")]
    pub unsafe_fixes: bool,

    /// Show what --fix would change and change nothing.
    #[arg(long, requires = "check", conflicts_with = "fix")]
    pub diff: bool,

    /// Only these rules, groups (`MVM5`) or ranges (`MVM501-MVM505`), separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "RULES", requires = "check")]
    pub select: Vec<String>,

    /// Not these rules, groups or ranges, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "RULES", requires = "check")]
    pub ignore: Vec<String>,

    /// The least severity that makes the exit code 1.
    #[arg(long, value_enum, default_value_t = Level::Warning, value_name = "LEVEL", requires = "check")]
    pub fail_on: Level,

    /// The least severity that is printed.
    #[arg(long, visible_alias = "severity", value_enum, default_value_t = Level::Hint, value_name = "LEVEL", requires = "check")]
    pub show: Level,

    /// Exit with 0 whatever is found.
    #[arg(long, requires = "check")]
    pub exit_zero: bool,

    /// The name that standard input is reported and configured as.
    #[arg(long, value_name = "PATH", requires = "check")]
    pub stdin_filename: Option<PathBuf>,

    /// Count findings by rule at the end.
    #[arg(long, requires = "check")]
    pub statistics: bool,

    /// Leave out the findings that FILE knows; fail on new ones only.
    #[arg(long, value_name = "FILE", requires = "check")]
    pub baseline: Option<PathBuf>,

    /// Write all present findings into the baseline.
    #[arg(long, requires = "baseline", conflicts_with_all = ["fix", "diff", "add_ignores", "watch"])]
    pub update_baseline: bool,

    /// Write a suppression comment beside each finding that would fail the check.
    #[arg(long, requires = "check", conflicts_with_all = ["fix", "diff", "no_ignores", "watch"])]
    pub add_ignores: bool,

    /// Why, for the comments of --add-ignores.
    #[arg(long, value_name = "TEXT", requires = "add_ignores")]
    pub reason: Option<String>,

    /// Report also what comments suppress.
    #[arg(long, requires = "check")]
    pub no_ignores: bool,

    /// Use this `mvm.toml` or `pyproject.toml` for all files.
    #[arg(long, value_name = "FILE", requires = "check", conflicts_with = "isolated")]
    pub config: Option<PathBuf>,

    /// Use no project file.
    #[arg(long, requires = "check")]
    pub isolated: bool,

    /// Check everything anew and keep nothing.
    #[arg(long, requires = "check")]
    pub no_cache: bool,

    /// Where results of earlier runs are kept; the user's cache by default.
    #[arg(long, value_name = "DIR", requires = "check")]
    pub cache_dir: Option<PathBuf>,

    /// Threads; as many as there are cores by default.
    #[arg(long, value_name = "N", requires = "check")]
    pub jobs: Option<std::num::NonZeroUsize>,

    /// Check again whenever a result changes, until interrupted.
    #[arg(long, requires = "check", conflicts_with_all = ["fix", "diff"])]
    pub watch: bool,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the pages of rules.
    Explain {
        /// Ids (`MVM201`), names, beginnings (`MVM5`) or ranges (`MVM501-MVM505`), separated by commas or blanks.
        #[arg(required = true, value_delimiter = ',', value_name = "RULES")]
        rules: Vec<String>,
    },
    /// List the rules.
    Rules {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what holds for a file or directory, or the JSON Schema of project files.
    Config {
        /// Print the configuration that holds, and where it comes from.
        #[arg(long, required_unless_present = "schema")]
        show: bool,
        /// Print the JSON Schema of `mvm.toml`.
        #[arg(long, conflicts_with_all = ["show", "path", "json"])]
        schema: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// A file or directory; the current one by default.
        path: Option<PathBuf>,
    },
    /// Print a completion script.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Severities on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Everything.
    #[default]
    Hint,
    /// Information and up.
    Information,
    /// Warnings and errors.
    Warning,
    /// Errors.
    Error,
}

impl From<Level> for mvm_compiler::Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Hint => mvm_compiler::Severity::Hint,
            Level::Information => mvm_compiler::Severity::Information,
            Level::Warning => mvm_compiler::Severity::Warning,
            Level::Error => mvm_compiler::Severity::Error,
        }
    }
}

/// Output formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Excerpts with underlines, for people.
    #[default]
    Full,
    /// One line a finding.
    Concise,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    JsonLines,
    /// SARIF 2.1.0.
    Sarif,
    /// GitHub workflow commands.
    Github,
    /// GitLab code quality.
    Gitlab,
    /// JUnit XML.
    Junit,
    /// Checkstyle XML.
    Checkstyle,
    /// Reviewdog diagnostics.
    Rdjson,
}

/// A format and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Format.
    pub format: Format,
    /// `None`: standard output.
    pub file: Option<PathBuf>,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = text.split_once('=').map_or((text, None), |(n, f)| (n, Some(PathBuf::from(f))));
        let format = Format::from_str(name, true).map_err(|_| {
            let known: Vec<_> =
                Format::value_variants().iter().filter_map(|f| f.to_possible_value()).collect();
            let known: Vec<_> = known.iter().map(|v| v.get_name()).collect();
            format!("no format `{name}`; there are {}", known.join(", "))
        })?;
        if file.as_ref().is_some_and(|f| f.as_os_str().is_empty()) {
            return Err("a file name is missing after `=`".into());
        }
        Ok(Output { format, file })
    }
}
