//! Declarations under every form of import, shadowing and stacking: where the compiler reads a whole declaration, the
//! Python package records the same when the file is executed; where the package refuses, so does the compiler.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mvm_compiler::{Config, FileContext, NoFacts, Severity, analyze};

const SCRIPT: &str = r##"
import io, json, linecache, sys, types
sys.path.insert(0, sys.argv[1])
from mvm import _declarations, _workloads
from mvm._emit import canonical, workload_of
def run(source):
    _declarations.clear(); _workloads.clear()
    module = types.ModuleType("tool")
    module.__file__ = sys.argv[2]
    sys.modules["tool"] = module
    linecache.cache[sys.argv[2]] = (len(source), None, source.splitlines(True), sys.argv[2])
    try:
        exec(compile(source, sys.argv[2], "exec"), module.__dict__)
        return canonical(workload_of("tool", sys.argv[2]))
    except SyntaxError as error:
        return f"SyntaxError: {error}"
    except Exception as error:
        declared = 1 + source.split("\n").index("# declared")
        frame = error.__traceback__.tb_next
        if frame is not None and frame.tb_frame.f_code.co_filename == sys.argv[2] and frame.tb_lineno < declared:
            return "fails elsewhere"
        return f"{type(error).__name__}: {error}"
    finally:
        for name in ("app", "secret", "python_image", "local_path", "network"):
            setattr(sys.modules["mvm"], name, KEPT[name])
KEPT = {n: getattr(sys.modules["mvm"], n) for n in ("app", "secret", "python_image", "local_path", "network")}
out, sys.stdout = sys.stdout, io.StringIO()
json.dump([run(source) for source in json.load(sys.stdin)], out)
"##;

/// What the package records of each module, or its refusal.
fn recorded(modules: &[String], file: &Path) -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("sdk/python/src");
    let mut child = Command::new("python3")
        .args(["-B", "-c", SCRIPT])
        .args([source.as_os_str(), file.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs `python3` on the path");
    let stdin = child.stdin.take().unwrap();
    let input = modules.to_vec();
    let writer = std::thread::spawn(move || serde_json::to_writer(stdin, &input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// How `mvm` is imported, and what its names are then.
const IMPORTS: &[(&str, &str)] = &[
    ("import mvm", "mvm."),
    ("import mvm as m", "m."),
    ("import mvm, mvm as m", "m."),
    ("import os, mvm", "mvm."),
    ("from mvm import *", ""),
    ("from mvm import app, secret, python_image, local_path, network", ""),
    ("from mvm import (app, secret as secret,  # c\n  python_image, local_path, network)", ""),
    ("import mvm\nfrom mvm import app, secret, python_image, local_path, network", ""),
    ("from __future__ import annotations\nimport mvm", "mvm."),
    ("if True:\n    import mvm", "mvm."),
    ("try:\n    import mvm\nexcept ImportError:\n    raise", "mvm."),
    ("TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import mvm", "mvm."),
    ("mvm = None\nimport mvm", "mvm."),
    ("import os as mvm", "mvm."),
    ("import mvm as m\nfrom mvm import app as m", "m."),
    ("from mvm import app as m\nimport mvm as m", "m."),
    ("from mvm import secret as app\nfrom mvm import app, secret, python_image, local_path, network", ""),
    ("from mvm import app, python_image, local_path, network\nfrom mvm import local_path as secret", ""),
    ("from mvm import app as a, secret as s", "mvm."),
    ("app = 1\nfrom mvm import *", ""),
    ("", "mvm."),
];

/// What may stand between the imports and the declaration; `$` is the prefix of the names.
const BETWEEN: &[&str] = &[
    "",
    "",
    "",
    "m = mvm",
    "mvm = 3",
    "m = 3",
    "app = print",
    "def app(**k): return lambda f: f",
    "def secret(x): return x",
    "class network: pass",
    "from os import path as app",
    "mvm.app = mvm.app",
    "mvm.secret = str",
    "if False:\n    mvm = None",
    "for app in []: pass",
    "for mvm in []: pass",
    "with open('/dev/null') as (mvm): pass",
    "def f():\n    global mvm\n    mvm = 1",
    "def f():\n    mvm = 1",
    "def f(mvm=1): return mvm",
    "class C:\n    app = 1\n    mvm = 2",
    "[mvm for mvm in []]",
    "[app for app in []]",
    "(lambda mvm: mvm)(1)",
    "print(end='') if (app := 0) else None",
    "if 'app' in dir(): del app",
    "import mvm as other",
    "__all__ = ['run']",
    "def deco(f): return f",
    "exec('app = mvm = m = None')",
    "globals()['mvm'] = None",
    "VALUE = 'v'",
    "VALUE = ['v']",
    "PACKAGES = ['python311']\nPACKAGES.append('x')",
    "def run(): pass",
];

const DECORATED: &[&str] = &[
    "@$app(image=$python_image())\ndef run(): pass",
    "@$app(image=$python_image(), env={'A': 'b', 'S': $secret('s')})\ndef run(a: int, *, b: str = 'c') -> str: return b",
    "@$app(name='n', image=$python_image(), source=$local_path('.', exclude=['x']), network=$network(mode='none'))\nasync def run(): pass",
    "@(lambda f: f)\n@$app(image=$python_image())\ndef run(): pass",
    "@$app(image=$python_image())\n@(lambda f: f)\ndef run(): pass",
    "import functools\n@$app(image=$python_image())\n@functools.lru_cache\ndef run(): pass",
    "import functools\ndef wrapped(f):\n    @functools.wraps(f)\n    def inner(*a, **k): return f(*a, **k)\n    return inner\n@$app(image=$python_image())\n@wrapped\ndef run(a: int): pass",
    "class C:\n    @$app(image=$python_image())\n    def run(self): pass",
    "class C:\n    @staticmethod\n    @$app(image=$python_image())\n    def run(): pass",
    "def outer():\n    @$app(image=$python_image())\n    def run(): pass\nouter()",
    "if True:\n    @$app(image=$python_image())\n    def run(): pass",
    "@$app(image=$python_image())\nclass Run: pass",
    "@$app(image=$python_image(), env={'A': VALUE})\ndef run(): pass",
    "@$app(image=$python_image(packages=PACKAGES))\ndef run(): pass",
    "d = $app(image=$python_image())\n@d\ndef run(): pass",
    "def run(): pass\nrun = $app(image=$python_image())(run)",
    "@$app(image=$python_image())\n@$app(image=$python_image(), name='b')\ndef run(): pass",
    "@$app\ndef run(): pass",
    "@$app()\ndef run(): pass",
    "A = $python_image()\n@$app(image=A)\ndef run(): pass",
    "@$app(**{'image': $python_image(), 'name': 'n'})\ndef run(): pass",
    "@$app(*[], image=$python_image())\ndef run(): pass",
    "@$app(image=$python_image(), env={**{'A': 'b'}, 'A': 'c'})\ndef run(): pass",
    "@$app(image=($python_image()))\n\n# why\ndef run(): pass",
    "@$app(image=$python_image());\ndef run(): pass",
];

#[test]
fn what_is_read_is_what_is_recorded() {
    let mut modules = Vec::new();
    for (import, prefix) in IMPORTS {
        for between in BETWEEN {
            for declared in DECORATED {
                let declared = declared.replace('$', prefix);
                modules.push(format!("{import}\n{between}\n# declared\n{declared}\n"));
            }
        }
    }
    let mut rng = fastrand::Rng::with_seed(3);
    rng.shuffle(&mut modules);
    modules.truncate(6_000);
    let file = PathBuf::from("/nowhere/tool.py");
    let context = FileContext { path: Some(file.clone()), root: None };
    let (mut wrong, mut read) = (Vec::new(), 0);
    for (text, recorded) in modules.iter().zip(recorded(&modules, &file)) {
        let analysis = analyze(text, &context, &Config::default(), &NoFacts);
        // What `mvmctl compile` writes: nothing, where there is an error anywhere.
        let error = analysis.findings.iter().any(|f| f.severity == Severity::Error);
        let whole = analysis.workloads.iter().find(|w| w.complete && !error);
        let Some(found) = whole.map(|w| String::from_utf8(w.workload.canonical()).unwrap()) else { continue };
        if recorded == "fails elsewhere" {
            continue;
        }
        read += 1;
        if found != recorded {
            wrong.push(format!("{text}--- read: {found}\n--- recorded: {recorded}\n"));
        }
    }
    wrong.sort_by_key(String::len);
    let shown = wrong.iter().take(10).fold(String::new(), |all, one| all + one + "\n");
    assert!(wrong.is_empty(), "{} of {read} are read otherwise than they run:\n{shown}", wrong.len());
    assert!(read > 1_000, "only {read} were read whole");
}
