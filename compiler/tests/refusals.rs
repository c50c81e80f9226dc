//! Nothing is refused in silence: IR that cannot be built has an error, and nothing that is said is dropped. In these
//! texts `«…»` marks the range of the error that is expected.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mvm_compiler::{Analysis, Config, FileContext, NoFacts, Severity, analyze};

fn analysed(text: &str) -> Analysis {
    analyze(text, &FileContext::default(), &Config::default(), &NoFacts)
}

fn errors(text: &str) -> Vec<(&'static str, std::ops::Range<usize>, String)> {
    let findings = analysed(text).findings;
    findings
        .into_iter()
        .filter(|f| f.severity == Severity::Error)
        .map(|f| (f.rule, f.range, f.message))
        .collect()
}

fn app(arguments: &str) -> String {
    format!("import mvm\n\n\n@mvm.app(image=mvm.python_image(), {arguments})\ndef run():\n    pass\n")
}

/// One error of this rule, at the marked range.
#[track_caller]
fn refused(rule: &str, words: &str, marked: &str) {
    let start = marked.find('«').expect("a marked range");
    let end = marked.find('»').expect("a marked range") - '«'.len_utf8();
    let text = marked.replace(['«', '»'], "");
    let found = errors(&text);
    assert!(
        matches!(&found[..], [(r, range, message)] if *r == rule && *range == (start..end) && message.contains(words)),
        "{text}\n{found:#?}"
    );
    assert!(analysed(&text).workloads.iter().all(|w| !w.complete), "{text}");
}

/// What the IR's own validation refuses, said at its place.
#[test]
fn ir_that_is_not_valid_has_an_error() {
    for (rule, arguments) in [
        ("MVM006", "network=mvm.network(peers=['a', «'B d'»])"),
        ("MVM507", "env={'A': mvm.secret('s', var=«'1'»)}"),
        ("MVM005", "before_build=«''»"),
        ("MVM005", "before_start=«['', 'a']»"),
        ("MVM005", "after_start=[mvm.hook('a'), «''»]"),
        ("MVM005", "before_stop=[«[]»]"),
        ("MVM005", "before_stop=[['a'], «['']»]"),
        ("MVM005", "before_stop=«[['a\\0']]»"),
        (
            "MVM005",
            "mounts=[mvm.mount(source=mvm.volume('v', size_mb=1), target='/a'), mvm.mount(source=mvm.volume(«'v'»), target='/b')]",
        ),
        ("MVM011", "source=mvm.local_path('.', include=['*.py']), include=«['a']»"),
    ] {
        refused(rule, "", &app(arguments));
    }
    refused(
        "MVM005",
        "empty",
        &app("").replace("mvm.python_image()", "mvm.nix_packages(['python312', «''»])"),
    );
    refused("MVM005", "empty", &app("").replace("python_image()", "python_image(packages=[«''»])"));
}

/// Whatever is refused whole has an error somewhere; `None` for an argument is no argument.
#[test]
fn what_is_not_complete_has_an_error() {
    let values = [
        "None",
        "''",
        "[]",
        "['']",
        "[[]]",
        "['a\\0']",
        "{}",
        "0",
        "-1",
        "1.5",
        "'a b'",
        "('a',)",
        "[None]",
        "{'a': None}",
        "mvm.no_deps()",
        "mvm.hook('')",
        "[mvm.hook([])]",
        "mvm.resources(memory_mb=None, cpu=None, vcpus=2)",
        "'\\ud800'",
        "[{'guest': 80, 'host': None, 'mapping_id': None}]",
        "mvm.network(mode=None, ports=None, peers=None)",
        "mvm.local_path('.', include=None, exclude=None)",
        "mvm.entrypoint(command=['a'], working_dir=None, env=None)",
        "mvm.network(mode='none', peers=['a'])",
        "{'A': mvm.secret('s', type=None, hosts=None, var=None)}",
    ];
    let arguments = [
        "name",
        "source",
        "resources",
        "network",
        "env",
        "entrypoint",
        "entrypoints",
        "dependencies",
        "mounts",
        "depends_on",
        "before_build",
        "before_start",
        "after_start",
        "before_stop",
        "health_check",
        "threat_tier",
        "include",
    ];
    for argument in arguments {
        for value in values {
            let text = app(&format!("{argument}={value}"));
            let analysis = analysed(&text);
            let error = analysis.findings.iter().any(|f| f.severity == Severity::Error);
            let complete = analysis.workloads.iter().all(|w| w.complete);
            assert!(complete || error, "{text} is refused without a reason");
            if value == "None" {
                let bytes = |text: &str| analysed(text).workloads[0].workload.canonical();
                assert!(complete && !error, "{text}: {:#?}", analysis.findings);
                assert_eq!(bytes(&text), bytes(&app("")), "{text}");
            }
        }
    }
    for arguments in
        ["entrypoint=None, entrypoints=None", "resources=mvm.resources(cpu_cores=None, cpu=None)"]
    {
        assert_eq!(errors(&app(arguments)), []);
    }
    let both = app("resources=mvm.resources(cpu_cores=None, vcpus=3)");
    assert_eq!(
        (errors(&both).len(), analysed(&both).workloads[0].workload.apps[0].resources.cpu_cores),
        (0, 3)
    );
    assert_eq!(errors(&app("resources=mvm.resources(cpu_cores=1, cpu=1)")).len(), 1);
}

/// A further `func` of one name adds an entrypoint; what else it says must be what the first says.
#[test]
fn a_further_func_cannot_say_otherwise() {
    let two = |first: &str, second: &str| {
        format!(
            "import mvm\n@mvm.func(name='a'{first})\ndef f(): pass\n@mvm.func(name='a'{second})\ndef g(): pass\n"
        )
    };
    for same in ["", ", image=mvm.python_image()", ", env={'A': 'b'}, before_stop='x', include=['**']"] {
        assert_eq!(errors(&two(same, same)), [], "{same}");
    }
    assert_eq!(errors(&two(", env={'A': 'b'}", "")), []);
    for other in [
        "image=«mvm.nix_packages(['python311'])»",
        "env=«{'A': 'b'}»",
        "resources=«mvm.resources(memory_mb=64)»",
        "before_stop=«'x'»",
    ] {
        refused("MVM006", "only that counts", &two("", &format!(", {other}")));
    }
    let twice = "import mvm\n@mvm.func(name='a')\ndef f(): pass\n«@mvm.func(name='a')»\ndef f(): pass\n";
    refused("MVM609", "`f` is an entrypoint already", twice);
}

/// Volumes of several apps are one volume.
#[test]
fn a_volume_has_one_size() {
    let two = |a: &str, b: &str| {
        let one = |name: &str, volume: &str| {
            format!(
                "@mvm.app(image=mvm.python_image(), mounts=[mvm.mount(source=mvm.volume({volume}), target='/v')])\n\
                 def {name}(): pass\n"
            )
        };
        format!("import mvm\nmvm.workload(id='w')\n{}{}", one("f", a), one("g", b))
    };
    assert_eq!(errors(&two("'v', size_mb=1", "'v', size_mb=1")), []);
    assert_eq!(errors(&two("'v', size_mb=1", "'v', size_mb=2")).len(), 1);
}

/// Where `mvm.workload` and `mvm.app` are hidden from a reader, and run all the same.
#[test]
fn declarations_in_disguise() {
    let with = |line: &str| {
        format!("import mvm\nx = 1\n{line}\n@mvm.app(image=mvm.python_image())\ndef run(): pass\n")
    };
    for line in [
        "if x:\n    «mvm.workload»(id='w')",
        "def setup():\n    «mvm.workload»(id='w')",
        "class C:\n    y = «mvm.workload»(id='w')",
        "y = [«mvm.workload»(id='w')]",
        "print(«mvm.workload»(id='w'))",
    ] {
        let text = with(line);
        let start = text.find('«').unwrap();
        let (found, plain) = (errors(&text.replace(['«', '»'], "")), text.replace(['«', '»'], ""));
        assert!(
            found.iter().any(|(rule, range, _)| *rule == "MVM007" && range.start == start),
            "{plain}\n{found:#?}"
        );
    }
    for line in [
        "mvm.workload(id='w')",
        "W = mvm.workload(id='w')",
        "y = 'mvm.workload(id=1)'",
        "# mvm.workload(id='w')",
    ] {
        assert_eq!(errors(&with(line)), [], "{line}");
    }
    for decorator in [
        "(d := mvm.app(image=mvm.python_image()))",
        "[mvm.app][0]()",
        "mvm.app() if x else print",
        "apply(mvm.app)",
    ] {
        let text = format!("import mvm\nx = 1\n@{decorator}\ndef run(): pass\n");
        assert!(errors(&text).iter().any(|(rule, ..)| *rule == "MVM007"), "{text}");
    }
    let text = "from mvm import app\n@option(app=1, help='mvm.app()')\n@app.route('/')\ndef run(): pass\n";
    assert_eq!(errors(text), []);
}

/// Python reads a file in the encoding that it names.
#[test]
fn a_file_that_names_another_encoding() {
    let of = |first: &str| format!("{first}\n{}", app("env={'A': 'é'}"));
    assert_eq!(errors(&of("# -*- coding: utf-8 -*-")), []);
    for name in ["latin-1", "cp1252", "utf-7", "unicode_escape"] {
        let found = errors(&of(&format!("# -*- coding: {name} -*-")));
        assert!(matches!(&found[..], [("MVM001", range, _)] if range.start == 14), "{found:#?}");
    }
}

/// Defaults of type parameters came with Python 3.13, after the grammar that is read with.
#[test]
fn type_parameters_with_defaults() {
    for head in [
        "f[T = int](a: T, b: str = 'x') -> str",
        "f[T: int = bool, *Ts = *tuple[int, ...], **P = [int]](a: T)",
    ] {
        let text = app("").replace("run()", head);
        assert_eq!(errors(&text), [], "{text}");
        assert!(analysed(&text).declarations[0].parameters.iter().any(|p| p.name == "a"), "{text}");
    }
    assert!(!errors(&app("").replace("run()", "f[T = ](a: T")).is_empty());
}

/// Python reads identifiers in Unicode's form NFKC: a name in other characters may be a name that a declaration uses.
#[test]
fn names_in_other_characters_are_the_names_that_python_reads() {
    let with = |line: &str| {
        let network = "network=mvm.network(allow_https=[«HOST»])";
        app(network).replacen("import mvm\n", &format!("import mvm\n\nHOST = 'a.example'\n{line}\n"), 1)
    };
    for line in [
        "ＨＯＳＴ = 'b.example'",
        "HO\u{ff33}T = 'b.example'",
        "for 𝐇OST in ['b.example']: pass",
        "def f():\n    global ＨＯＳＴ\n    ＨＯＳＴ = 'b.example'\n",
        "from elsewhere import x as ＨＯＳＴ",
    ] {
        refused("MVM002", "NFKC", &with(line));
    }
    for line in
        ["# ＨＯＳＴ = 1", "X = 'ＨＯＳＴ'", "größe = 'ﬁ'", "主机 = 'b.example'", "ＸＹ = 'b.example'"]
    {
        let text = with(line).replace(['«', '»'], "");
        assert_eq!(errors(&text), [], "{line}");
    }
    let rebound = errors(&app("").replacen("import mvm\n", "import mvm\nｍvm = None\n", 1));
    assert!(rebound.iter().any(|(rule, ..)| *rule == "MVM010"), "{rebound:?}");
}
