//! MVM804: the entry module imports what nothing declares.

use std::collections::HashSet;
use std::path::Path;
use std::sync::LazyLock;

use super::lockfile::normalize;
use super::modules::source_dir;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, entrypoints, items, str_of};
use crate::context::{FileRuleContext, Findings, PlacedDeclaration};
use crate::facts::Facts;
use crate::finding::{Edit, Severity, TextRange};
use crate::items::{Item, ItemKind};
use crate::value::ValueKind;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM804",
    name: "undeclared-dependency",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    fix: FixKind::Offer,
    cwe: None,
    summary: "The entry module imports a package that nothing declares",
    rationale: "The guest has the interpreter, the declared packages and the source. An import of anything else fails when the \
machine boots, after the whole build.",
    remedy: "Lock the dependencies and declare them: `dependencies=mvm.python_deps(lockfile=\"uv.lock\")`; or name the library \
among the packages: `python312Packages.requests`.",
    examples: &[
        bad(
            "import requests\n       ^^^^^^^^\n\nimport mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run() -> None: ...\n",
        ),
        good(
            "import json\n\nimport mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run() -> None: ...\n",
        ),
    ],
    also: &[],
    check: Check::File(check),
};

/// Imports stand at the top: further down nobody looks.
const LOOKED_AT: usize = 1 << 16;

fn check(ctx: &FileRuleContext<'_>, findings: &mut Findings) {
    let Some(placed) = ctx.declarations.iter().find(|d| lacks_dependencies(d, ctx)) else { return };
    let Some(source) = source_dir(&placed.declaration.source, ctx.file) else { return };
    let Some(own) = ctx.file.path.as_deref() else { return };
    let libraries = libraries(placed);
    for (name, range) in imports(ctx.text, ctx.items) {
        let here = own.parent().unwrap_or(own);
        let known = is_standard(&name)
            || matches!(name.as_str(), "mvm" | "__future__")
            || libraries.iter().any(|l| *l == normalize(&name) || provides(l, &name))
            || is_local(&name, &source, ctx.facts)
            || is_local(&name, here, ctx.facts);
        if known {
            continue;
        }
        let edits = ["uv.lock", "requirements.txt"].into_iter().find_map(|lock| {
            let there = ctx.facts.kind(&source.join(lock)).flatten().is_some();
            let tool = if lock == "uv.lock" { "" } else { ", tool=\"pip-tools\"" };
            if there { insert(ctx, placed, &format!("(lockfile=\"{lock}\"{tool})")) } else { None }
        });
        let shown = super::shown(&name);
        let message = format!(
            "`{shown}` is neither in the standard library nor in the source, and nothing declares it; lock it and declare \
             `dependencies=mvm.python_deps(lockfile=…)`"
        );
        RULE.at(&range, message).offer("Declare the lockfile that is there", edits.map(|e| [e])).to(findings);
    }
}

/// The decorated file is its entry module, runs on packages, and declares no dependencies.
fn lacks_dependencies(placed: &PlacedDeclaration<'_>, ctx: &FileRuleContext<'_>) -> bool {
    let outline = placed.declaration;
    let app = outline.call();
    let none = match outline.get("dependencies").map(|v| &v.kind) {
        None => true,
        Some(ValueKind::Call(deps)) => deps.helper == "no_deps",
        Some(_) => false,
    };
    let packages = ["nix_packages", "python_image"].iter().any(|h| call(app, "image", h).is_some())
        || outline.get("image").is_none() && app.helper == "func";
    // A hook may install what is missing; MVM701 has its say about how.
    let hooked = outline.get("before_build").is_some();
    let stem = ctx.file.path.as_deref().and_then(Path::file_stem).and_then(|s| s.to_str()).unwrap_or("");
    let points = entrypoints(app);
    let declared = outline.get("entrypoint").is_some() || outline.get("entrypoints").is_some();
    let own = |module: &str| module.rsplit('.').next() == Some(stem);
    let entered = !declared || points.iter().any(|p| p.get("module").and_then(str_of).is_some_and(own));
    none && packages && !hooked && entered && !placed.declaration.incomplete
}

/// Libraries among the packages: `requests` of `python312Packages.requests`.
fn libraries(placed: &PlacedDeclaration<'_>) -> Vec<String> {
    let app = placed.declaration.call();
    let lists =
        ["nix_packages", "python_image"].iter().filter_map(|h| call(app, "image", h)?.get("packages"));
    let names = lists.flat_map(items).filter_map(str_of);
    names.filter_map(|n| n.split_once("Packages.")).map(|(_, n)| normalize(n)).collect()
}

/// Import names that differ from their project's: one holds the other, or they are the well-known ones.
fn provides(library: &str, module: &str) -> bool {
    const OTHERS: &[(&str, &str)] = &[
        ("pillow", "PIL"),
        ("beautifulsoup4", "bs4"),
        ("scikit-learn", "sklearn"),
        ("opencv4", "cv2"),
        ("python-dateutil", "dateutil"),
        ("pyyaml", "yaml"),
        ("pyjwt", "jwt"),
        ("mysqlclient", "MySQLdb"),
        ("pycryptodome", "Crypto"),
        ("protobuf", "google"),
    ];
    let module = normalize(module);
    OTHERS.iter().any(|(l, m)| *l == library && normalize(m) == module)
        || library.contains(&module)
        || module.len() > 3 && module.contains(library)
}

fn is_local(name: &str, dir: &Path, facts: &dyn Facts) -> bool {
    // What is not known may be there.
    let there = |path: &Path| facts.kind(path).is_none_or(|kind| kind.is_some());
    there(&dir.join(format!("{name}.py"))) || there(&dir.join(name))
}

/// Top-level names of imports at the top level, each once: first place.
fn imports(text: &str, items: &[Item]) -> Vec<(String, TextRange)> {
    let mut found: Vec<(String, TextRange)> = Vec::new();
    for item in items.iter().take_while(|i| i.start < LOOKED_AT).filter(|i| i.kind == ItemKind::Import) {
        let body = text.get(item.range()).unwrap_or("");
        let (list, offset) = match body.strip_prefix("from") {
            Some(rest) => (rest.split(" import").next().unwrap_or(rest), 4),
            None => (body.strip_prefix("import").unwrap_or(""), 6),
        };
        let mut at = item.start + offset;
        for part in list.split(',') {
            let start = at + part.len() - part.trim_start().len();
            let name = part.trim().split(['.', ' ', '\t']).next().unwrap_or_default();
            let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
            if plain && found.iter().all(|(n, _)| n != name) {
                found.push((name.to_owned(), start..start + name.len()));
            }
            at += part.len() + 1;
        }
    }
    found
}

/// `dependencies=mvm.python_deps(…)` at the end of the declaration, or in place of `mvm.no_deps()`.
fn insert(ctx: &FileRuleContext<'_>, placed: &PlacedDeclaration<'_>, arguments: &str) -> Option<Edit> {
    let outline = placed.declaration;
    let callee = ctx.text.get(placed.place(&outline.callee))?;
    let (module, _) = callee.rsplit_once('.')?;
    let helper = format!("{module}.python_deps{arguments}");
    if let Some(old) = outline.get("dependencies") {
        let range = placed.place(&old.range);
        return ctx.text.get(range.clone())?.contains("no_deps").then_some(Edit { range, text: helper });
    }
    let whole = placed.place(&outline.arguments_range);
    let (first, last) = outline.ends.as_ref()?;
    let last = Some(placed.place(last)).filter(|r| r.end <= whole.end)?;
    let tail = ctx.text.get(last.end..whole.end)?;
    if tail.contains('#') {
        return None;
    }
    let lead = ctx.text.get(whole.start..placed.place(first).start)?;
    let line = lead.split('\n').nth(1).map(|l| &l[..l.len() - l.trim_start().len()]);
    let text = match line {
        Some(indent) => format!(",\n{indent}dependencies={helper}"),
        None => format!(", dependencies={helper}"),
    };
    Some(Edit { range: last.end..last.end, text })
}

fn is_standard(name: &str) -> bool {
    static MODULES: LazyLock<HashSet<&str>> = LazyLock::new(|| STANDARD.split_whitespace().collect());
    name.starts_with('_') || MODULES.contains(name)
}

/// Modules of the standard library, those that are gone in newer versions too.
const STANDARD: &str = "abc aifc annotationlib argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb binascii \
    binhex bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd code codecs codeop collections colorsys compileall \
    compression concurrent configparser contextlib contextvars copy copyreg crypt csv ctypes curses dataclasses datetime dbm \
    decimal difflib dis distutils doctest email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch \
    formatter fractions ftplib functools gc genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html \
    http idlelib imaplib imghdr imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma \
    mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib ntpath nturl2path \
    numbers opcode operator optparse os ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil platform plistlib \
    poplib posix posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re \
    readline reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtpd smtplib \
    sndhdr socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct \
    subprocess sunau symbol symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios test textwrap this \
    threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing \
    unicodedata unittest urllib uu uuid venv warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc \
    zipapp zipfile zipimport zlib zoneinfo";
