//! The suites: what each is about, what it needs, and which tests it runs.

use crate::setup::{self, Need};

/// A suite.
pub struct Suite {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it holds.
    pub about: &'static str,
    /// What it needs from outside.
    pub needs: &'static [Need],
    /// Whether it needs the built programs beside each other (boots, editors).
    pub programs: bool,
    /// When it runs without being named.
    pub when: When,
    /// What it does.
    pub work: Work,
}

/// When a suite runs without being named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// With all others.
    Always,
    /// In CI: it reaches for the network every time.
    InCi,
}

/// What a suite does.
pub enum Work {
    /// Runs `cargo` with these arguments.
    Cargo(&'static [&'static str]),
    /// Runs a program of the repository.
    Program(&'static [&'static str]),
    /// Runs test programs that cargo built.
    Tests {
        /// Which.
        select: fn(&TestProgram) -> bool,
        /// Arguments for each.
        arguments: &'static [&'static str],
        /// Environment for each.
        environment: &'static [(&'static str, &'static str)],
        /// How many run beside each other. What more than one print is shown when each has ended.
        beside: usize,
    },
    /// Runs the demo on the programs that the tests use.
    Demo,
}

/// What suites install for themselves. It is begun before the first suite runs, since most of it waits for the network.
pub const AHEAD: &[(&str, &[&str])] = &[
    ("nvim", &["python3", "tests/wheels.py", "nvim", "editors/nvim/tests/requirements.txt"]),
    ("pytest-lsp", &["python3", "tests/wheels.py", "pytest-lsp", "server/tests/pytest_lsp/requirements.txt"]),
    ("vscode", &["python3", "vscode-extension/run_tests.py", "--prepare"]),
];

/// A test program that cargo built.
#[derive(Clone, Debug)]
pub struct TestProgram {
    /// Package.
    pub package: String,
    /// Target within it.
    pub target: String,
    /// `lib`, `bin`, `test` …
    pub kind: String,
    /// The executable.
    pub path: std::path::PathBuf,
    /// The package's directory, in which its tests run.
    pub dir: std::path::PathBuf,
}

fn end_to_end(p: &TestProgram) -> bool {
    p.package == "mvm-tests"
}

/// All suites, in the order in which they run: the quick and telling ones first.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "fmt",
        about: "the sources are formatted",
        needs: &[],
        programs: false,
        when: When::Always,
        work: Work::Cargo(&["fmt", "--all", "--check"]),
    },
    Suite {
        name: "tidy",
        about: "file sizes, module heads, the arrows between rooms, no machine's paths, no credentials",
        needs: &[setup::CC],
        programs: false,
        when: When::Always,
        work: Work::Tests {
            select: |p| end_to_end(p) && p.target == "tidy",
            arguments: &[],
            environment: &[],
            beside: 1,
        },
    },
    Suite {
        name: "deny",
        about: "licences and known flaws of every dependency",
        needs: &[setup::CC],
        programs: false,
        when: When::Always,
        work: Work::Tests {
            select: |p| end_to_end(p) && p.target == "deny",
            arguments: &[],
            environment: &[],
            beside: 1,
        },
    },
    Suite {
        name: "clippy",
        about: "no warnings in any target",
        needs: &[setup::CC],
        programs: false,
        when: When::Always,
        work: Work::Cargo(&[
            "clippy",
            "--quiet",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    },
    Suite {
        name: "unit",
        about: "IR, compiler and vmm-core, room by room",
        needs: &[setup::CC, setup::PYTHON],
        programs: false,
        when: When::Always,
        work: Work::Tests {
            select: |p| !end_to_end(p) && !matches!(p.package.as_str(), "mvm-lsp" | "mvmctl"),
            arguments: &[],
            environment: &[],
            beside: 1,
        },
    },
    Suite {
        name: "lsp",
        about: "the language server over stdio, `--check` included",
        needs: &[setup::CC],
        programs: false,
        when: When::Always,
        work: Work::Tests { select: |p| p.package == "mvm-lsp", arguments: &[], environment: &[], beside: 1 },
    },
    Suite {
        name: "glue",
        about: "`--check` for other programs: schemas of its outputs, pre-commit, the GitHub Action, GitLab",
        needs: &[setup::CC, setup::PYTHON, setup::VENV],
        programs: true,
        when: When::Always,
        work: Work::Program(&["python3", "server/tests/glue/run.py", "{programs}/mvm-lsp"]),
    },
    Suite {
        name: "cli",
        about: "mvmctl without a guest: commands, bad input, exit codes",
        needs: &[setup::CC],
        programs: false,
        when: When::Always,
        work: Work::Tests { select: |p| p.package == "mvmctl", arguments: &[], environment: &[], beside: 1 },
    },
    Suite {
        name: "sdk",
        about: "the Python package on every interpreter there is, type checkers included",
        needs: &[setup::CC, setup::PYTHON, setup::VENV],
        programs: true,
        when: When::Always,
        work: Work::Program(&["python3", "sdk/python/run_tests.py", "--programs", "{programs}"]),
    },
    Suite {
        name: "packages",
        about: "ten large packages: the splitter against CPython, and no error of any rule in them",
        needs: &[setup::CC, setup::PYTHON, setup::PIP],
        programs: false,
        when: When::InCi,
        work: Work::Program(&["python3", "compiler/tests/python/packages.py"]),
    },
    Suite {
        name: "nvim",
        about: "the Neovim plugin in real Neovims, new and old, against the real server",
        needs: &[setup::CC, setup::PYTHON, setup::VENV, setup::NEOVIM, setup::QEMU],
        programs: true,
        when: When::Always,
        work: Work::Program(&["python3", "editors/nvim/tests/run.py", "--programs", "{programs}"]),
    },
    Suite {
        name: "emacs",
        about: "Eglot in a real Emacs, against the real server",
        needs: &[setup::CC, setup::EMACS, setup::EGLOT],
        programs: true,
        when: When::Always,
        work: Work::Program(&[
            "emacs",
            "-q",
            "--batch",
            "-l",
            "editors/emacs/test.el",
            "{programs}/mvm-lsp",
            "examples",
        ]),
    },
    Suite {
        name: "lsp-mode",
        about: "lsp-mode in a real Emacs, against the real server",
        needs: &[setup::CC, setup::EMACS, setup::EGLOT, setup::LSP_MODE],
        programs: true,
        when: When::Always,
        work: Work::Program(&[
            "emacs",
            "-q",
            "--batch",
            "-l",
            "editors/emacs/test-lsp-mode.el",
            "{programs}/mvm-lsp",
            "examples",
        ]),
    },
    Suite {
        name: "kakoune",
        about: "`:mvm-ir` in a real Kakoune",
        needs: &[setup::CC, setup::PYTHON, setup::KAKOUNE],
        programs: true,
        when: When::Always,
        work: Work::Program(&["python3", "editors/kakoune/test.py", "{programs}"]),
    },
    Suite {
        name: "editors",
        about: "the configurations of editors that cannot be run here: Helix, Zed, Sublime Text",
        needs: &[setup::CC, setup::PYTHON],
        programs: true,
        when: When::Always,
        work: Work::Program(&["python3", "editors/test.py", "{programs}"]),
    },
    Suite {
        name: "pytest-lsp",
        about: "the shipped server driven by an independent client, in the guise of three editors",
        needs: &[setup::CC, setup::PYTHON, setup::VENV],
        programs: true,
        when: When::Always,
        work: Work::Program(&["python3", "server/tests/pytest_lsp/run.py", "{programs}"]),
    },
    Suite {
        name: "nix",
        about: "packages through the real Nix, from a small package set of local derivations",
        needs: &[setup::CC, setup::NIX],
        programs: false,
        when: When::Always,
        work: Work::Tests {
            select: |p| p.package == "vmm-core" && p.kind == "lib",
            arguments: &["image::nix"],
            environment: &[("MVM_NIX_TESTS", "1")],
            beside: 1,
        },
    },
    Suite {
        name: "registry",
        about: "the digest of an image, from a real registry: open, behind a password, behind TLS",
        needs: &[setup::CC, setup::REGISTRY, setup::SKOPEO, setup::OPENSSL],
        programs: false,
        when: When::Always,
        work: Work::Tests {
            select: |p| p.package == "vmm-core" && p.target == "registry",
            arguments: &["--include-ignored"],
            environment: &[],
            beside: 1,
        },
    },
    Suite {
        name: "archive",
        about: "packages and a kernel from the distribution's real archive",
        needs: &[setup::CC],
        programs: false,
        when: When::InCi,
        work: Work::Tests {
            select: |p| p.package == "vmm-core" && p.kind == "lib",
            arguments: &["--include-ignored", "archive", "without_network"],
            environment: &[("MVM_NETWORK_TESTS", "1")],
            beside: 1,
        },
    },
    Suite {
        name: "boot",
        about: "the whole road in real guests: build, boot, call, policy, and everything that can go wrong",
        needs: &[setup::CC, setup::QEMU, setup::PIP],
        programs: true,
        when: When::Always,
        work: Work::Tests {
            select: |p| {
                p.target == "boot_guests"
                    || end_to_end(p)
                        && !matches!(p.target.as_str(), "tidy" | "deny" | "kvm" | "balloon" | "bench_kvm")
            },
            arguments: &["--include-ignored", "--test-threads=2"],
            environment: &[("MVM_BOOT_TESTS", "1")],
            // Guests wait more than they work.
            beside: 2,
        },
    },
    Suite {
        name: "vscode",
        about: "the extension: compiled, linted, tested, packed, and used in VS Code's own workbench, with real guests",
        needs: &[
            setup::CC,
            setup::MAKE,
            setup::PYTHON,
            setup::VENV,
            setup::NODE,
            setup::NPM,
            setup::CHROMIUM,
            setup::RIPGREP,
            setup::QEMU,
            setup::PIP,
        ],
        programs: true,
        when: When::Always,
        work: Work::Program(&["python3", "vscode-extension/run_tests.py", "--programs", "{programs}"]),
    },
    Suite {
        name: "kvm",
        about: "our own VMM on the stock kvm_amd of an outer machine: guests, policy, walls",
        needs: &[setup::CC, setup::QEMU, setup::MKE2FS],
        programs: true,
        when: When::Always,
        work: Work::Tests {
            select: |p| end_to_end(p) && p.target == "kvm",
            arguments: &["--include-ignored", "--nocapture"],
            environment: &[("MVM_BOOT_TESTS", "1")],
            beside: 1,
        },
    },
    Suite {
        name: "demo",
        about: "the README's first command, from the declaration to the result",
        needs: &[setup::CC, setup::QEMU, setup::PIP],
        programs: true,
        when: When::Always,
        work: Work::Demo,
    },
];
