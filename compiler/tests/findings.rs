//! What is wrong with a declaration is found, on the smallest range, with a fix that removes it. In these texts
//! `«…»` marks the range of the finding that is expected.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mvm_compiler::{Applicability, Config, FileContext, Finding, NoFacts, Severity, analyze};

/// Findings of the declaration range; rules of other ranges have tests of their own.
fn own(text: &str) -> Vec<Finding> {
    let analysis = analyze(text, &FileContext::default(), &Config::default(), &NoFacts);
    analysis.findings.into_iter().filter(|f| f.rule < "MVM1").collect()
}

/// A declaration with these arguments.
fn app(arguments: &str) -> String {
    format!("import mvm\n\n\n@mvm.app({arguments})\ndef run():\n    pass\n")
}

fn unmarked(text: &str) -> (String, std::ops::Range<usize>) {
    let start = text.find('«').expect("a marked range");
    let end = text.find('»').expect("a marked range") - '«'.len_utf8();
    (text.replace(['«', '»'], ""), start..end)
}

/// One finding of this rule at the marked range, with these words.
fn expect(rule: &str, words: &str, marked: &str) -> (String, Finding) {
    let (text, range) = unmarked(marked);
    let mut found = own(&text);
    assert_eq!(found.len(), 1, "{text}\n{found:#?}");
    let finding = found.remove(0);
    assert_eq!((finding.rule, &finding.range), (rule, &range), "{text}\n{finding:#?}");
    assert!(finding.message.contains(words), "{}", finding.message);
    (text, finding)
}

/// The finding's first fix removes it.
fn expect_fixed(rule: &str, words: &str, marked: &str) -> String {
    let (mut text, finding) = expect(rule, words, marked);
    let fix = finding.fixes.first().unwrap_or_else(|| panic!("no fix: {finding:#?}"));
    for edit in fix.edits.iter().rev() {
        text.replace_range(edit.range.clone(), &edit.text);
    }
    let left = own(&text);
    assert!(left.iter().all(|f| f.rule != rule), "{text}\n{left:#?}");
    text
}

#[test]
fn arguments_that_are_not_static() {
    let image = "image=mvm.python_image(), ";
    for (expression, words) in [
        ("«os.environ['A']»", "state of the host"),
        ("«os.getenv('A')»", "state of the host"),
        ("«Path.home()»", "state of the host"),
        ("«open('x')»", "state of the host"),
        ("«compute()»", "is not static"),
        ("«[x for x in y]»", "comprehension"),
        ("«'a' if b else 'c'»", "conditional"),
        ("«lambda: 1»", "lambda"),
        ("«config.NAME»", "look-up"),
        ("f'a{«x()»}'", "is not static"),
        ("'a' + «NAME»", "not bound"),
    ] {
        expect("MVM002", words, &app(&format!("{image}env={{'K': {expression}}}")));
    }
}

#[test]
fn names_that_cannot_be_followed() {
    let with = |before: &str, after: &str| {
        format!("import mvm\n{before}\n@mvm.app(image=mvm.nix_packages(«NAMES»))\ndef run(): pass\n{after}\n")
    };
    for (before, after, words) in [
        ("NAMES = ['a']\nNAMES = ['b']", "", "bound more than once"),
        ("if x:\n    NAMES = ['a']", "", "compound statement"),
        ("for NAMES in x: pass", "", "compound statement"),
        ("from elsewhere import NAMES", "", "imported"),
        ("def NAMES(): pass", "", "function"),
        ("", "NAMES = ['a']", "below its use"),
        ("NAMES = ['a']\nNAMES.append('b')", "", "in place"),
        ("NAMES = ['a']\ndef f():\n    global NAMES\n    NAMES = []", "", "global"),
        ("NAMES = ['a']\nfrom x import *", "", "star import"),
        ("A, NAMES = 1, ['a']", "", "unpacking"),
    ] {
        expect("MVM002", words, &with(before, after));
    }
}

#[test]
fn unknown_and_missing_arguments() {
    expect_fixed(
        "MVM003",
        "did you mean `memory_mb`",
        &app("image=mvm.python_image(), resources=mvm.resources(«memory_md»=512)"),
    );
    expect_fixed("MVM003", "did you mean `python_image`", &app("image=mvm.«python_imge»()"));
    expect("MVM003", "no argument `banana`", &app("image=mvm.python_image(), «banana»=1"));
    expect("MVM003", "by name only", &app("«'x'», image=mvm.python_image()"));
    expect_fixed(
        "MVM004",
        "lacks the argument `image`",
        "import mvm\n@«mvm.app»(name='a')\ndef run(): pass\n",
    );
    expect_fixed("MVM004", "`name`", &app("image=mvm.python_image(), env={'A': «mvm.secret»()}"));
}

#[test]
fn wrong_types_and_values() {
    let image = "image=mvm.python_image(), ";
    expect_fixed(
        "MVM005",
        "must be an integer, found a string",
        &app(&format!("{image}resources=mvm.resources(memory_mb=«'512'»)")),
    );
    expect_fixed(
        "MVM005",
        "a list of strings",
        &app(&format!("{image}network=mvm.network(allow_https=«'a.example'»)")),
    );
    expect_fixed(
        "MVM005",
        "\"deny\", \"none\", \"bridge\" or \"host\"",
        &app(&format!("{image}network=mvm.network(mode=«'denny'»)")),
    );
    expect("MVM005", "found bytes", &app(&format!("{image}name=«b'x'»")));
    expect("MVM005", "found `True`", &app(&format!("{image}resources=mvm.resources(cpu_cores=«True»)")));
    expect("MVM005", "found `mvm.secret(…)`", &app("image=«mvm.secret('a')»"));
    expect(
        "MVM005",
        "must be a string, found an integer",
        &app(&format!("{image}env={{'A': 'b', «1»: 'c'}}")),
    );
    expect("MVM005", "found a list", &app(&format!("{image}env={{'A': «['b']»}}")));
    expect("MVM004", "`guest`", &app(&format!("{image}network=mvm.network(ports=[«{{'host': 1}}»])")));
}

#[test]
fn names_of_apps_and_workloads() {
    let text = expect_fixed("MVM006", "lower-case", &app("name=«'My Tool'», image=mvm.python_image()"));
    assert!(text.contains("\"my-tool\""));
    let text = expect_fixed(
        "MVM006",
        "lower-case",
        "import mvm\n@mvm.app(image=mvm.python_image())\ndef «my_tool»(): pass\n",
    );
    assert!(text.contains("name=\"my-tool\", image"));
    let one = "@mvm.app(name='a', image=mvm.python_image())\ndef one(): pass\n";
    let two = "@mvm.app(name=«'a'», image=mvm.python_image())\ndef two(): pass\n";
    expect_fixed("MVM006", "same name", &format!("import mvm\nmvm.workload(id='w')\n{one}{two}"));
    expect_fixed("MVM006", "workload's id", &format!("import mvm\nmvm.workload(id=«'W'»)\n{one}"));
    expect(
        "MVM006",
        "named twice",
        &format!("import mvm\nmvm.workload(id='w')\n«mvm.workload(id='v')»\n{one}"),
    );
}

#[test]
fn places_that_a_static_reader_cannot_vouch_for() {
    let call = "@mvm.app(image=mvm.python_image())";
    for marked in [
        format!("import mvm\n«{call}»\nclass A: pass\n"),
        format!("import mvm\nclass A:\n    «{call}»\n    def f(self): pass\n"),
        format!("import mvm\nif x:\n    «{call}»\n    def f(): pass\n"),
        format!("import mvm\ndef g():\n    «{call}»\n    def f(): pass\n"),
        "import mvm\ndef f(): pass\nf = «mvm.app»(image=mvm.python_image())(f)\n".to_owned(),
        "from mvm import app as a\ntry:\n    «@a()»\n    def f(): pass\nfinally: pass\n".to_owned(),
    ] {
        expect("MVM007", "", &marked);
    }
}

#[test]
fn bare_decorators_several_apps_and_missing_imports() {
    let text = expect_fixed("MVM008", "parentheses", "import mvm\n«@mvm.func»\ndef run(): pass\n");
    assert!(text.contains("@mvm.func()\n"));
    let one = "@mvm.app(image=mvm.python_image())\ndef one(): pass\n\n";
    let text = expect_fixed(
        "MVM009",
        "mvm.workload",
        &format!("import mvm\n{one}«@mvm.app(image=mvm.python_image())»\ndef two(): pass\n"),
    );
    assert!(text.starts_with("import mvm\nmvm.workload(id="), "{text}");
    let text = expect_fixed(
        "MVM010",
        "not imported",
        "'''Docs.'''\n@«mvm».app(image=mvm.python_image())\ndef run(): pass\n",
    );
    assert!(text.starts_with("'''Docs.'''\nimport mvm\n"), "{text}");
}

#[test]
fn rebound_names() {
    let rest = "@mvm.app(image=mvm.python_image())\ndef run(): pass\n";
    for marked in [
        format!("import mvm\n«mvm» = 3\n{rest}"),
        format!("import mvm\ndef «mvm»(): pass\n{rest}"),
        format!("import mvm\nfrom other import «mvm»\n{rest}"),
        format!("try:\n    import «mvm»\nexcept ImportError: pass\n{rest}"),
        "from mvm import app, python_image\ndef «app»(): pass\n@app(image=python_image())\ndef run(): pass\n"
            .into(),
    ] {
        expect("MVM010", "", &marked);
    }
}

#[test]
fn duplicates() {
    expect("MVM011", "given twice", &app("name='a', image=mvm.python_image(), «name»='b'"));
    expect("MVM011", "stands twice", &app("image=mvm.python_image(), env={'A': 'b', «'A'»: 'c'}"));
    assert_eq!(own(&app("image=mvm.python_image(), env={**{'A': 'b'}, 'A': 'c'}")), []);
}

#[test]
fn syntax_errors_and_hidden_characters() {
    expect("MVM001", "a value is missing", &app("image=mvm.python_image(), «name=»"));
    expect("MVM001", "never closed", "import mvm\n@mvm.app«(»image=mvm.python_image()\ndef run(): pass\n");
    expect("MVM001", "without a name follows", &app("image=mvm.python_image(), name='a', «'b'»"));
    expect("MVM001", "signature", "import mvm\n@mvm.app(image=mvm.python_image())\ndef run(a «b»): pass\n");
    expect("MVM015", "U+202E", &app("image=mvm.python_image(), env={'A': 'x«\u{202e}»y'}"));
}

#[test]
fn older_spellings_are_hints() {
    let (text, finding) =
        expect("MVM014", "`cpu_cores`", &app("image=mvm.python_image(), resources=mvm.resources(«cpu»=2)"));
    assert_eq!(finding.severity, Severity::Hint);
    assert_eq!(finding.fixes[0].applicability, Applicability::Safe);
    let analysis = analyze(&text, &FileContext::default(), &Config::default(), &NoFacts);
    assert!(analysis.workloads[0].complete);
    assert_eq!(analysis.workloads[0].workload.apps[0].resources.cpu_cores, 2);
}

/// Spellings that mean the same lower to the same bytes.
#[test]
fn equivalent_spellings() {
    let base = "image=mvm.nix_packages(['python312', 'git']), network=mvm.network(mode='deny', \
                egress=mvm.egress([mvm.host_port('a.example', 443)])), before_start=mvm.hook(['a', 'b'])";
    let hash = |text: &str| {
        let analysis = analyze(text, &FileContext::default(), &Config::default(), &NoFacts);
        assert!(analysis.workloads[0].complete, "{text}\n{:#?}", analysis.findings);
        analysis.workloads[0].workload.hash()
    };
    let expected = hash(&app(base));
    for other in [
        "image=mvm.python_image(packages=['git']), network=mvm.network(allow_https=('a.example',)), \
         before_start=['a', 'b']",
        "before_start=[['a', 'b']], network=mvm.network(allow_https=['a' '.' + 'example']), name='run', \
         image=mvm.python_image(python='3.12', packages=[*['git']]), env={}, mounts=[], dependencies=mvm.no_deps(), \
         source=mvm.local_path('.')",
        "**{'image': mvm.nix_packages(packages=['python312', 'git'])}, before_start=[mvm.hook(cmd=['a', 'b'])], \
         network=mvm.network(egress=mvm.egress(allowlist=[mvm.host_port(port=443, host='a.example')])), \
         resources=mvm.resources(), health_check=None",
    ] {
        assert_eq!(hash(&app(other)), expected, "{other}");
    }
    let from = app(base).replace("import mvm", "from mvm import *").replace("mvm.", "");
    assert_eq!(hash(&from), expected);
    let named = app(base).replace("import mvm", "import mvm as m").replace("mvm.", "m.");
    assert_eq!(hash(&named), expected);
}
