//! A credential is printed by no output of `mvm-lsp --check` beyond its first four characters, wherever it stands and
//! whatever the program is asked to do.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check_support;

use std::path::Path;

use check_support::{Tree, check, err, out};

/// Letters and digits as a generator makes them; never the same twice.
fn noise(random: &mut fastrand::Rng, length: usize) -> String {
    (0..length).map(|_| random.alphanumeric()).collect()
}

/// Files with a credential each, and the pieces of it that nobody may see.
fn files(random: &mut fastrand::Rng) -> Vec<(String, String, Vec<String>)> {
    let declaration = |before: &str, arguments: &str, body: &str| {
        format!(
            "import mvm\n{before}\n\n@mvm.app(\n    name=\"tool\",\n    image=mvm.python_image(),\n    \
             resources=mvm.resources(memory_mbs=512),\n    network=mvm.network(mode=\"deny\"),\n    {arguments}\n)\ndef \
             run(prompt: str) -> str:\n    {body}\n    return prompt\n"
        )
    };
    let mut all = Vec::new();
    let mut add = |name: &str, text: String, secrets: &[&str]| {
        all.push((format!("{name}.py"), text, secrets.iter().map(|s| (*s).to_owned()).collect()));
    };
    let token = ["sk-", "proj-", &noise(random, 60)].concat();
    let likely = noise(random, 32);
    let password = format!("Aq{}-7", noise(random, 12));
    let lines = [noise(random, 64), noise(random, 64), noise(random, 40)];
    let label = ["PRIVATE", " KEY"].concat();
    let key = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", lines.join("\n"));
    let pieces: Vec<&str> = lines.iter().map(String::as_str).collect();
    add("env", declaration("", &format!("env={{\"OPENAI_API_KEY\": \"{token}\"}},"), ""), &[&token]);
    let (head, tail) = token.split_at(24);
    let halves = format!("env={{\"OPENAI_API_KEY\": \"{head}\" + \"{tail}\"}},");
    add("halves", declaration("", &halves, ""), &[head, tail]);
    let constant = format!("API_TOKEN = \"{likely}\"\n");
    add("constant", declaration(&constant, "env={\"API_TOKEN\": API_TOKEN},", ""), &[&likely]);
    let url = format!("env={{\"DATABASE_URL\": \"postgres://app:{password}@db.example.com/app\"}},");
    add("url", declaration("", &url, ""), &[&password]);
    add("key", declaration(&format!("PEM = \"\"\"{key}\"\"\"\n"), "env={\"PEM\": PEM},", ""), &pieces);
    let unused = format!("PEM = \"\"\"{key}\"\"\"  # {token}\n");
    add("elsewhere", declaration(&unused, "", &format!("client = Client(api_key=\"{likely}\")")), &[&likely]);
    add("comment", declaration(&format!("# DB_PASSWORD={password}\n"), "", ""), &[&password]);
    let command =
        format!("before_start=\"curl -H 'Authorization: Bearer {likely}' https://a.example | sh\",");
    add("command", declaration("", &command, ""), &[&likely]);
    let argv = format!("after_start=[\"tool\", \"--password\", \"{password}\"],");
    add("argv", declaration("", &argv, ""), &[&password]);
    add("name", declaration("", &format!("env={{\"A\": mvm.secret(\"{token}\")}},"), ""), &[&token]);
    let refused =
        format!("env={{\"API_TOKEN\": \"\".join([\"{}\", \"{}\"])}},", &likely[..16], &likely[16..]);
    add("refused", declaration("", &refused, ""), &[&likely[..16], &likely[16..]]);
    add("syntax", declaration("", &format!("env={{\"API_TOKEN\": \"{token}\"}}, name=,"), ""), &[&token]);
    let place =
        format!("source=mvm.local_path(\"/home/me/{token}\"), network=mvm.network(mode=\"{token}\"),");
    add("values", declaration("", &place, ""), &[&token]);
    all
}

/// Six characters in a row of what nobody may see, the first four aside.
fn shown<'a>(text: &str, secrets: &'a [String]) -> Option<&'a str> {
    let windows =
        |secret: &'a String| (0..=secret.len().saturating_sub(6)).map(move |at| &secret[at..at + 6]);
    // `sk-proj-` begins every key of its issuer.
    let told = |window: &&str| !"sk-proj-".contains(&window[..2]) && text.contains(*window);
    secrets.iter().flat_map(windows).find(told)
}

fn everything_below(directory: &Path, out: &mut Vec<u8>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            everything_below(&entry.path(), out);
        } else {
            out.extend(std::fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn no_output_and_nothing_that_is_kept_shows_a_credential() {
    let mut random = fastrand::Rng::with_seed(5);
    for (name, text, secrets) in files(&mut random) {
        let tree = Tree::new(&[(name.as_str(), text.as_str())]);
        let mut runs: Vec<Vec<&str>> = [
            "full",
            "concise",
            "json",
            "json-lines",
            "sarif",
            "github",
            "gitlab",
            "junit",
            "checkstyle",
            "rdjson",
        ]
        .iter()
        .map(|format| vec!["--output", *format])
        .collect();
        runs.push(vec!["--color", "always", "--hyperlinks", "always"]);
        runs.push(vec!["--diff"]);
        runs.push(vec!["--diff", "--unsafe-fixes"]);
        runs.push(vec!["--statistics"]);
        runs.push(vec!["--output", "sarif=report.sarif", "--output", "json=report.json"]);
        runs.push(vec!["--baseline", "known.json", "--update-baseline"]);
        // These change the file: last.
        runs.push(vec!["--fix"]);
        runs.push(vec!["--fix", "--unsafe-fixes", "--output", "json"]);
        runs.push(vec!["--add-ignores", "--reason", "a test"]);
        let mut found = false;
        for arguments in runs {
            let result = check(&tree, &arguments);
            let (told, errors) = (out(&result), err(&result));
            found |= ["MVM50", "credential"].iter().any(|word| told.contains(word));
            for text in [&told, &errors] {
                assert_eq!(shown(text, &secrets), None, "{name} {arguments:?}:\n{text}");
            }
        }
        assert!(found, "{name}: there is something to hide, and it was found");
        std::fs::remove_file(tree.path(&name)).unwrap();
        let mut kept = Vec::new();
        everything_below(tree.root(), &mut kept);
        let kept = String::from_utf8_lossy(&kept);
        assert!(kept.contains("2.1.0"), "the files are there");
        assert_eq!(shown(&kept, &secrets), None, "{name}: cache, baseline and reports");
    }
}

/// What a fix does not speak of stays, byte for byte.
#[test]
fn fixes_leave_the_rest_of_a_file_as_it_was() {
    let odd =
        "\u{feff}# -*- coding: utf-8 -*-\r\nimport mvm   \r\n\tx = 1\r\n\r\n# caf\u{e9} \u{1f600}\t \r\n";
    let odd = odd.replace("\tx = 1", "x = 1\t");
    let call = "@mvm.app(\r\n  name = \"a\",  # why\r\n    image=mvm.python_image( ),\r\n    \
                resources=mvm.resources(cpu_cores=1, memory_mbs=512),\r\n    \
                network=mvm.network(mode=\"deny\"),\r\n)\r\ndef run(a: str) -> str:\r\n    return a ;  \r\n";
    let end = "\r\nif True :\r\n   pass\n\n\n# no end of line";
    let before = format!("{odd}\r\n\r\n{call}{end}");
    let tree = Tree::new(&[("a.py", &before)]);
    let fixed = check(&tree, &["--fix"]);
    assert_eq!(fixed.status.code(), Some(0), "{}", out(&fixed));
    assert_eq!(tree.read("a.py"), before.replace("memory_mbs", "memory_mb"));
}

/// Every fix of the example that trips everything, safe or not: what no edit touches is still there, in its order.
#[test]
fn a_difference_takes_away_only_what_a_finding_speaks_of() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/insecure");
    for entry in std::fs::read_dir(example).unwrap().flatten() {
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()).filter(|n| n.ends_with(".py")) else {
            continue;
        };
        let text = std::fs::read_to_string(&path).unwrap();
        let tree = Tree::new(&[(name, text.as_str())]);
        let json: serde_json::Value =
            serde_json::from_slice(&check(&tree, &["--output", "json"]).stdout).unwrap();
        let mut touched = vec![false; text.lines().count() + 2];
        for finding in json["findings"].as_array().unwrap() {
            for edit in
                finding["fixes"].as_array().unwrap().iter().flat_map(|f| f["edits"].as_array().unwrap())
            {
                let line = |end: &str| edit["range"][end]["line"].as_u64().unwrap() as usize;
                (line("start")..=line("end")).for_each(|n| touched[n - 1] = true);
            }
        }
        check(&tree, &["--fix", "--unsafe-fixes"]);
        let after = tree.read(name);
        let mut left = after.lines();
        for (n, line) in text.lines().enumerate().filter(|(n, _)| !touched[*n]) {
            assert!(left.any(|l| l == line), "line {} is gone: {line}\n{after}", n + 1);
        }
    }
}
