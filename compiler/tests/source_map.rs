//! Where each value of the IR is written. In these texts a comment line `# ^^^ /pointer` tells that the text above the
//! carets is the value at the pointer, and `# === /pointer` that it is the value's definition.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mvm_compiler::{Config, FileContext, NoFacts, analyze};

fn check(text: &str) {
    let analysis = analyze(text, &FileContext::default(), &Config::default(), &NoFacts);
    let map = &analysis.workloads.first().unwrap_or_else(|| panic!("{:#?}", analysis.findings)).source_map;
    let mut starts = vec![0];
    let mut markers = 0;
    let mut code_line = 0;
    for line in text.split_inclusive('\n') {
        let at = *starts.last().unwrap();
        let marked = line.find(['^', '=']).filter(|_| line.trim_start().starts_with(['#', '^']));
        match marked {
            Some(column) => {
                let mark = line.as_bytes()[column] as char;
                let width = line[column..].chars().take_while(|c| *c == mark).count();
                let pointer = line[column + width..].trim();
                let expected = code_line + column..code_line + column + width;
                let (range, definition) =
                    map.range_of(pointer).unwrap_or_else(|| panic!("{pointer}: {map:#?}"));
                let found = if mark == '^' { Some(range) } else { definition };
                assert_eq!(
                    found,
                    Some(&expected),
                    "{pointer}: {:?} is expected, found {:?}",
                    &text[expected.clone()],
                    found.map(|r| &text[r.clone()])
                );
                if mark == '^' {
                    let back = map.pointer_at(expected.start).unwrap();
                    assert!(
                        back.starts_with(pointer) || map.range_of(back).unwrap().0.len() <= expected.len(),
                        "{back} is found at {pointer}"
                    );
                }
                markers += 1;
            }
            None => code_line = at,
        }
        starts.push(at + line.len());
    }
    assert!(markers > 0);
}

#[test]
fn values_constants_and_unpacking() {
    check(
        r#"
import mvm

KEY = "abc"
#     ===== /apps/0/env/API_KEY
PACKAGES = ["python312", "uv"]
#          =================== /apps/0/image/packages
#                        ==== /apps/0/image/packages/1
COMMON = {"LEVEL": "info"}
#                  ====== /apps/0/env/LEVEL

@mvm.app(
    name="agent-tool",
#        ^^^^^^^^^^^^ /apps/0/name
#        ^^^^^^^^^^^^ /id
    image=mvm.nix_packages(PACKAGES),
#         ^^^^^^^^^^^^^^^^^^^^^^^^^^ /apps/0/image
#                          ^^^^^^^^ /apps/0/image/packages/0
    resources=mvm.resources(memory_mb=2 * 256),
#                                     ^^^^^^^ /apps/0/resources/memory_mb
#             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ /apps/0/resources/cpu_cores
    network=mvm.network(mode="deny", allow_https=["a.example", "b.example"]),
#                            ^^^^^^ /apps/0/network/mode
#                                                              ^^^^^^^^^^^ /apps/0/network/egress/allowlist/1/host
    env={"API_KEY": KEY, **COMMON, "TOKEN": mvm.secret("token", hosts=["x.example"])},
#                   ^^^ /apps/0/env/API_KEY
#                          ^^^^^^ /apps/0/env/LEVEL
#                                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ /apps/0/env/TOKEN
#                                                      ^^^^^^^ /apps/0/env/TOKEN/ref/name
#                                                                      ^^^^^^^^^^^ /apps/0/env/TOKEN/ref/allowed_hosts/0
    before_start=["echo", "a"],
#                         ^^^ /apps/0/hooks/before_start/0/argv/1
)
def run(prompt: str) -> str:
#   ^^^ /apps/0/entrypoints/0/function
    return prompt
"#,
    );
}

#[test]
fn several_apps_and_functions_that_share_one() {
    check(
        r#"
import mvm as m
m.workload(id="both")
#             ^^^^^^ /id
@m.app(name="one", image=m.python_image(packages=["git"]))
#                                                 ^^^^^ /apps/0/image/packages/1
def one(): pass

@m.func(name="two")
#            ^^^^^ /apps/1/name
def first(): pass

@m.func(name="two")
def second(): pass
#   ^^^^^^ /apps/1/entrypoints/1/function
"#,
    );
}
