//! No noise: declarations that follow the guidance have no finding at default severity, and the text of real code
//! around a declaration has none that is an error.

use std::path::{Path, PathBuf};

use crate::{Config, FileContext, Finding, NoFacts, Severity, analyze};

fn findings(text: &str, at_least: Severity) -> Vec<Finding> {
    let found = analyze(text, &FileContext::default(), &Config::default(), &NoFacts).findings;
    found.into_iter().filter(|f| f.severity >= at_least).collect()
}

/// Parts of a declaration as the guidance has them; every combination that the loops below make is one declaration.
const IMAGES: &[&str] = &[
    "mvm.python_image()",
    "mvm.python_image(python=\"3.12\", packages=[\"git\", \"jq\"])",
    "mvm.nix_packages([\"python312\", \"uv\"])",
    "mvm.nix_packages([\"python3\", \"python3Packages.requests\", \"ffmpeg\", \"imagemagick\"])",
    "mvm.oci_image(\"ghcr.io/acme/tool:1.4\", digest=\"sha256:3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855e\")",
];
const NETWORKS: &[&str] = &[
    "mvm.network()",
    "mvm.network(mode=\"deny\")",
    "mvm.network(mode=\"none\")",
    "mvm.network(mode=\"deny\", allow_https=[\"api.openai.com\"])",
    "mvm.network(allow_https=[\"api.openai.com\", \"api.github.com\", \"files.example.com\"])",
    "mvm.network(egress=mvm.egress([mvm.host_port(\"db.example.com\", 5432)]), dns=mvm.dns_system())",
    "mvm.network(ports=[{\"guest\": 8080, \"host\": 8080, \"host_addr\": \"127.0.0.1\"}])",
];
const ENVIRONMENTS: &[&str] = &[
    "{}",
    "{\"OPENAI_API_KEY\": mvm.secret(\"openai-api-key\")}",
    "{\"LOG_LEVEL\": \"info\", \"TZ\": \"Europe/Berlin\", \"LANG\": \"de_DE.UTF-8\", \"PYTHONUNBUFFERED\": \"1\"}",
    "{\"DATABASE_URL\": mvm.secret(\"database-url\"), \"DB_POOL_SIZE\": \"5\", \"DB_HOST\": \"db.example.com\"}",
    "{\"MAX_TOKENS\": \"4096\", \"TOKENIZER\": \"cl100k_base\", \"MODEL\": \"gpt-4o-mini-2024-07-18\", \"TOKEN_LIMIT\": \"128k\"}",
    "{\"API_KEY_HEADER\": \"X-Api-Key\", \"PASSWORD_FILE\": \"/run/secrets/db\", \"AUTH_MODE\": \"bearer\", \"TOKEN_URL\": \"https://id.example.com/oauth/token\"}",
    "{\"GIT_SHA\": \"da39a3ee5e6b4b0d3255bfef95601890afd80709\", \"IMAGE_DIGEST\": \"sha256:3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855e\"}",
    "{\"TENANT_ID\": \"7c9e6679-7425-40de-944b-e07fc1f90ae7\", \"CLIENT_ID\": \"7c9e6679-7425-40de-944b-e07fc1f90ae8\", \"KEY_ID\": \"alias/app\"}",
    "{\"PUBLIC_KEY\": \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdW5j9Yw2vQh8m3n1x0 dev@example.com\", \"JAVA_OPTS\": \"-Xmx512m\"}",
    "{\"A\": mvm.literal(\"b\"), \"PROMPT\": \"Answer in one sentence; say when you do not know the password policy.\"}",
];
const RESTS: &[&str] = &[
    "",
    "    entrypoint=mvm.entrypoint(command=[\"python\", \"-m\", \"tool\", \"--port\", \"8080\"]),\n",
    "    before_build=[\"python\", \"-m\", \"compileall\", \".\"],\n    before_stop=[\"sync\"],\n",
    "    dependencies=mvm.python_deps(lockfile=\"uv.lock\"),\n    health_check=mvm.health_check(command=[\"true\"]),\n",
    "    source=mvm.local_path(\".\", include=[\"**/*.py\"], exclude=[\"tests/\", \".env\", \"*.log\"]),\n",
];
const HEADS: &[&str] = &[
    "def run(prompt: str) -> str:",
    "def run(text: str, max_tokens: int = 256, *, tags: list[str] | None = None) -> dict[str, int]:",
    "async def run(url: str, timeout: float = 1.5) -> \"dict[str, list[int]]\":",
];
const PREFIXES: &[&str] =
    &["import mvm\n", "import json\nimport os\n\nimport mvm\n\nTIMEOUT = 30\nHOSTS = [\"a.example.com\"]\n"];

fn guided() -> Vec<String> {
    let mut all = Vec::new();
    for (i, image) in IMAGES.iter().enumerate() {
        for (n, network) in NETWORKS.iter().enumerate() {
            for (e, environment) in ENVIRONMENTS.iter().enumerate() {
                let at = i + 3 * n + 5 * e;
                let (rest, head, prefix) =
                    (RESTS[at % RESTS.len()], HEADS[at % HEADS.len()], PREFIXES[at % PREFIXES.len()]);
                let memory = [128, 256, 512, 2048][at % 4];
                // Where several hosts are allowed, the guidance binds a secret to its own.
                let environment = match network.contains("api.github.com") {
                    true => environment
                        .replace("-key\")", "-key\", hosts=[\"api.openai.com\"])")
                        .replace("-url\")", "-url\", hosts=[\"files.example.com\"])"),
                    false => (*environment).to_owned(),
                };
                all.push(format!(
                    "{prefix}\n\n@mvm.app(\n    name=\"tool-{at}\",\n    image={image},\n    \
                     resources=mvm.resources(cpu_cores={}, memory_mb={memory}),\n    network={network},\n    \
                     env={environment},\n{rest})\n{head}\n    \"\"\"Does it.\"\"\"\n    return {{}}\n",
                    1 + at % 3
                ));
            }
        }
    }
    all
}

#[test]
fn declarations_that_follow_the_guidance_have_no_finding() {
    let all = guided();
    assert!(all.len() >= 300, "{}", all.len());
    let mut noise: Vec<String> = Vec::new();
    for text in &all {
        for finding in findings(text, Severity::Information) {
            noise.push(format!(
                "{} {} at {:?}",
                finding.rule,
                finding.message,
                text.get(finding.range.clone())
            ));
        }
    }
    noise.sort();
    noise.dedup();
    assert!(noise.is_empty(), "{} kinds of noise:\n{}", noise.len(), noise.join("\n"));
}

/// The documented example has no finding at all, hints included.
#[test]
fn the_documented_example_is_quiet() {
    let text = "import mvm\n@mvm.app(\n    name=\"agent-tool\",\n    source=mvm.local_path(\".\"),\n    image=mvm.nix_packages([\"python312\", \"uv\"]),\n    resources=mvm.resources(cpu_cores=1, memory_mb=512),\n    network=mvm.network(mode=\"deny\", allow_https=[\"api.openai.com\"]),\n    env={\n        \"OPENAI_API_KEY\": mvm.secret(\"openai-api-key\"),\n    },\n    entrypoint=mvm.entrypoint_function(\n        module=\"tool\",\n        function=\"run\",\n        primary=True,\n    ),\n)\ndef run(prompt: str) -> str:\n    ...\n";
    assert_eq!(findings(text, Severity::Hint), Vec::new());
}

fn python_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && !path.is_symlink() && name != "__pycache__" && name != "site-packages" {
            python_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "py") {
            out.push(path);
        }
    }
}

/// Real code: the standard library of the machine's `python3`, or the directories of `MVM_REAL_CODE` (parted by `:`), say
/// of unpacked packages. A declaration is put below each file, so that every rule looks.
#[test]
fn real_code_has_no_error() {
    let directories = std::env::var("MVM_REAL_CODE").unwrap_or_else(|_| {
        let print = "import sysconfig; print(sysconfig.get_paths()['stdlib'])";
        let output = std::process::Command::new("python3").args(["-c", print]).output();
        let output = output.expect("this test needs `python3` on the path");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    });
    let mut files = Vec::new();
    directories.split(':').for_each(|dir| python_files(Path::new(dir), &mut files));
    assert!(files.len() > 100, "{} files in {directories}", files.len());
    let declaration = "\n\nimport mvm\n\n\n@mvm.app(name=\"a\", image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef mvm_entry() -> None: ...\n";
    let mut errors = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        if text.contains("mvm") {
            continue;
        }
        let plain = findings(&text, Severity::Error);
        let declared = findings(&format!("{text}{declaration}"), Severity::Error);
        // Tests of a library for keys hold whole ones.
        let tests =
            file.components().any(|part| ["test", "tests"].iter().any(|name| part.as_os_str() == *name));
        let of_rules = declared.into_iter().filter(|f| {
            f.rule >= "MVM1" && !(tests && f.rule == "MVM508" && f.message.contains("private key"))
        });
        for finding in plain.into_iter().chain(of_rules) {
            errors.push(format!("{}: {} {}", file.display(), finding.rule, finding.message));
        }
    }
    assert!(errors.is_empty(), "{} errors:\n{}", errors.len(), errors.join("\n"));
}
