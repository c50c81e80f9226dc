//! Whole files against the IR that they must become: the product's own example, and the files whose IR the Python
//! package records when it executes them.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use mvm_compiler::{Analysis, Config, FileContext, NoFacts, analyze};
use serde_json::{Value, json};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn analyze_file(path: &Path) -> Analysis {
    let text = std::fs::read_to_string(path).unwrap();
    let file = FileContext { path: Some(path.to_path_buf()), root: None };
    analyze(&text, &file, &Config::default(), &NoFacts)
}

/// The IR without what this test does not look at.
fn ir(analysis: &Analysis) -> Value {
    assert_eq!(analysis.workloads.len(), 1, "{:#?}", analysis.findings);
    serde_json::to_value(&analysis.workloads[0].workload).unwrap()
}

#[test]
fn the_example_of_the_product() {
    let analysis = analyze_file(&repository().join("examples/agent-tool/tool.py"));
    let errors: Vec<_> =
        analysis.findings.iter().filter(|f| f.severity == mvm_compiler::Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert!(analysis.workloads[0].complete);
    let expected = json!({
      "schema_version": "0.1",
      "id": "agent-tool",
      "apps": [{
        "name": "agent-tool",
        "source": {"kind": "local_path", "path": ".", "include": ["**"], "exclude": []},
        "image": {"kind": "nix_packages", "packages": ["python312", "uv"]},
        "resources": {"cpu_cores": 1, "memory_mb": 512, "rootfs_size_mb": 512},
        "network": {"mode": "deny", "ports": [],
                    "egress": {"allowlist": [{"host": "api.openai.com", "port": 443}]}},
        "env": {"OPENAI_API_KEY": {"kind": "secret_ref", "ref":
            {"name": "openai-api-key", "mount": {"kind": "env", "var": "OPENAI_API_KEY"}}}},
        "entrypoints": [{"kind": "function", "language": "python", "module": "tool", "function": "run",
                         "format": "json", "working_dir": "/app", "env": {}, "primary": true,
                         "args_schema": {"type": "object", "properties": {"prompt": {"type": "string"}},
                                         "required": ["prompt"], "additionalProperties": false},
                         "return_schema": {"type": "string"}}],
        "dependencies": {"kind": "none"}, "mounts": []
      }],
      "volumes": [], "extensions": {}
    });
    let found = ir(&analysis);
    assert_eq!(found, expected);
}

#[test]
fn what_the_python_package_records() {
    let directory = repository().join("sdk/python/tests/declarations");
    let mut seen = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "py") || !path.with_extension("json").exists() {
            continue;
        }
        let golden = std::fs::read(path.with_extension("json")).unwrap();
        let golden: Value = serde_json::from_slice(&golden).unwrap();
        let analysis = analyze_file(&path);
        let found = ir(&analysis);
        assert_eq!(found, golden, "{}: {:#?}", path.display(), analysis.findings);
        seen += 1;
    }
    assert!(seen >= 3, "the package's files were not found in {}", directory.display());
}

#[test]
fn the_examples_are_read_whole() {
    for name in ["agent-tool/tool.py", "hello/hello.py", "multi/numbers_tool.py", "multi/textkit.py"] {
        let analysis = analyze_file(&repository().join("examples").join(name));
        let errors: Vec<_> =
            analysis.findings.iter().filter(|f| f.severity == mvm_compiler::Severity::Error).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        assert!(analysis.workloads[0].complete, "{name}");
    }
}
