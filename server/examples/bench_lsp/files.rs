//! What is opened: a small file of declarations, a large one, and a workspace.

use std::path::Path;

/// 35 declarations, about 11 KB.
pub fn small() -> String {
    declarations(35, "")
}

/// 3,000 declarations, about 1 MB.
pub fn large() -> String {
    declarations(3000, "    # What this tool does is told here, so that there is some text.\n")
}

fn declarations(count: usize, more: &str) -> String {
    let mut text = String::from("import mvm\n\nmvm.workload(id=\"bench\")\n");
    for n in 0..count {
        text.push_str(&format!(
            "\n\n@mvm.app(\n    name=\"tool-{n}\",\n    image=mvm.nix_packages([\"python312\", \"uv\"]),\n    \
             resources=mvm.resources(cpu_cores=1, memory_mb=512),\n    \
             network=mvm.network(mode=\"deny\", allow_https=[\"api{n}.example.com\"]),\n    \
             env={{\"KEY\": mvm.secret(\"key-{n}\")}},\n)\ndef run_{n}(prompt: str) -> str:\n{more}    return prompt\n"
        ));
    }
    text
}

/// A project of that many files; one in a hundred declares something.
pub fn workspace(folder: &Path, count: usize) {
    for n in 0..count {
        let directory = folder.join(format!("package{}", n / 100));
        std::fs::create_dir_all(&directory).unwrap();
        let text = if n % 100 == 0 {
            declarations(1, "")
        } else {
            format!("def function_{n}(x: int) -> int:\n    return x + {n}\n").repeat(20)
        };
        std::fs::write(directory.join(format!("module{n}.py")), text).unwrap();
    }
}
