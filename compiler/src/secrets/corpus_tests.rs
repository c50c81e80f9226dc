//! The labelled corpus of `cargo xtask bench secrets`: every provider's credentials in every syntactic position of a
//! declaration, other credentials, and as many look-alikes. The rules are tuned on one half and judged on the other.

use std::fmt::Write;

use super::samples::{Noise, credential};
use super::tests::base64;
use super::*;
use crate::{Config, FileContext, NoFacts, analyze};

/// One file.
struct Case {
    /// What it is about: a provider, or a class of values.
    class: String,
    position: &'static str,
    secret: bool,
    /// Of the half that is reported, not tuned on.
    held_out: bool,
    text: String,
}

/// `@N` the name, `@L` the name in lower case, `@V` the value; `@1` and `@2` its halves; `@B` base64 of `@N=@V`; `@E` percent-encoded.
pub(super) const POSITIONS: &[(&str, &str)] = &[
    ("env", "env={\"@N\": \"@V\"},"),
    ("quotes", "env={'A': 'b', '@N': '@V'},"),
    ("literal", "env={\"@N\": mvm.literal(\"@V\")},"),
    ("sum", "env={\"@N\": \"@1\" + \"@2\"},"),
    ("implicit", "env={\"@N\": \"@1\" \"@2\"},"),
    ("constant", "#@N = \"@V\"\nenv={\"@N\": @N},"),
    ("f-string", "#HEAD = \"@1\"\nenv={\"@N\": f\"{HEAD}@2\"},"),
    ("unpacked", "#MORE = {\"@N\": \"@V\"}\nenv={\"A\": \"b\", **MORE},"),
    ("line", "before_start=\"tool --verbose --@L @V\","),
    ("argv", "before_start=[\"tool\", \"--@L\", \"@V\", \"-v\"],"),
    ("equals", "before_start=[\"tool\", \"--@L=@V\"],"),
    ("export", "before_start=\"export @N='@V' && tool\","),
    ("command", "entrypoint=mvm.entrypoint(command=[\"serve\", \"--@L\", \"@V\"]),"),
    ("header", "env={\"CURL_ARGS\": \"-H 'X-@L: @V'\"},"),
    ("query", "env={\"HOOK\": \"https://api.example.com/v1/x?@L=@E&page=2\"},"),
    ("json", "env={\"CONFIG\": '{\"@L\": \"@V\", \"retries\": 3}'},"),
    ("lines", "env={\"CONFIG\": \"\"\"[service]\nretries = 3\n@L = @V\n\"\"\"},"),
    ("base64", "env={\"CONFIG\": \"@B\"},"),
    ("entry-env", "entrypoint=mvm.entrypoint(command=[\"serve\"], env={\"@N\": \"@V\"}),"),
    ("default", "!def run(@L: str = \"@V\") -> str:"),
    ("keyword dictionary", "env=dict(@N=\"@V\"),"),
    ("join", "env={\"@N\": \"\".join([\"@1\", \"@2\"])},"),
    ("format", "env={\"@N\": \"{}@2\".format(\"@1\")},"),
    ("method", "env={\"@N\": \" @V\".strip()},"),
    ("table", "#TABLE = {\"@N\": \"@V\"}\nenv={\"@N\": TABLE[\"@N\"]},"),
    ("unused constant", "#@N: str = \"@V\"\n"),
    ("attribute", "#class Settings:\n#    @N = \"@V\"\n"),
    ("set default", "#import os\n#os.environ.setdefault(\"@N\", \"@V\")\n"),
    ("body", "~client = Client(@K=\"@V\", retries=3)\n"),
    ("comment", "##@N=@V\n"),
    ("docstring", "~\"\"\"Runs with @N=@V in tests.\"\"\"\n"),
    ("dotenv", "env={\"DOTENV\": \"DEBUG=1\\n@N=@V\\nPORT=80\\n\"},"),
];

/// Values that their name makes credentials: name, value. `~` is a letter or digit, `^` a hex digit, made up anew each time.
const SECRETS: &[(&str, &str)] = &[
    ("DB_PASSWORD", "Summer2024!"),
    ("SMTP_PASSWORD", "hunter2-~~~~"),
    ("ADMIN_PASSWORD", "Tr0ub4dor&3"),
    ("POSTGRES_PASSWORD", "correct-horse-battery-staple-7"),
    ("MYSQL_PWD", "S3cur3P@ss"),
    ("REDIS_PASSWORD", "~~~~~~~~~~~~"),
    ("LDAP_BIND_PASSWORD", "Winter#~~~~"),
    ("VAULT_PASSPHRASE", "blue.Monkey.42.river"),
    ("FTP_PASS", "Passw0rd~~"),
    ("SESSION_SECRET", "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"),
    ("JWT_SECRET", "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("INTERNAL_API_KEY", "~~~~~~~~~~~~~~~~~~~~"),
    ("SERVICE_TOKEN", "~~~~~~~~-~~~~-~~~~-~~~~~~~~"),
    ("CLIENT_SECRET", "~~~~~~~~~~~~~~~~~~~~~~~~"),
    ("ENCRYPTION_KEY", "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~="),
    ("SIGNING_SECRET", "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("ACCESS_TOKEN", "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~.~~~~~~"),
    ("APP_SECRET", "prod_~~~~~~~~~~~~~~~~~~~~"),
    ("DATABASE_URL", "postgres://app:~~~~~~~~~~@db.example.com:5432/app"),
    ("MONGO_URI", "mongodb+srv://svc:Str0ng~~~~@cluster0.example.net/prod"),
    ("BROKER", "amqps://worker:~~~~~~~~@mq.example.com/jobs"),
    ("CACHE", "redis://:~~~~~~~~~~~~~~~~@cache.example.com:6379/0"),
    ("DSN", "Server=db.example.com;Database=app;User Id=sa;Password=~~~~~~~~;"),
    ("PG", "host=db.example.com user=app password=~~~~~~~~~ dbname=app"),
    ("JDBC", "jdbc:mysql://db.example.com/app?user=app&password=~~~~~~~~~~"),
    ("HEADERS", "Authorization: Bearer ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"),
    ("AUTHORIZATION", "Bearer ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"),
    ("CURL", "curl -u deploy:~~~~~~~~~~ https://ci.example.com"),
    ("NETRC", "machine git.example.com login bot password ~~~~~~~~~~~~"),
    ("PIP_INDEX_URL", "https://bot:~~~~~~~~~~~~@packages.example.com/simple"),
];

/// Values that are none: name, value.
const LOOK_ALIKES: &[(&str, &str)] = &[
    ("IMAGE_DIGEST", "sha256:^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("MODEL_SHA", "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("GIT_COMMIT", "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("BUILD_REVISION", "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("ETAG", "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    (
        "LOCK_HASH",
        "sha512-~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~==",
    ),
    ("WHEEL_HASH", "--hash=sha256:^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("TENANT_ID", "^^^^^^^^-^^^^-^^^^-^^^^-^^^^^^^^^^^^"),
    ("REQUEST_ID", "^^^^^^^^-^^^^-^^^^-^^^^-^^^^^^^^^^^^"),
    ("CLIENT_ID", "^^^^^^^^-^^^^-^^^^-^^^^-^^^^^^^^^^^^"),
    ("ACCESS_KEY_ID", "^^^^^^^^-^^^^-^^^^-^^^^-^^^^^^^^^^^^"),
    ("API_TOKEN", "${API_TOKEN}"),
    ("DB_PASSWORD", "$DB_PASSWORD"),
    ("OPENAI_API_KEY", "{{ secrets.OPENAI_API_KEY }}"),
    ("STRIPE_KEY", "op://vault/stripe/key"),
    ("TOKEN", "vault:secret/data/app#token"),
    ("PASSWORD", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf"),
    ("CLIENT_SECRET", "projects/acme/secrets/client-secret/versions/3"),
    ("TOKEN_FILE", "/run/secrets/api_token"),
    ("SSH_KEY", "/home/app/.ssh/id_ed25519"),
    ("PRIVATE_KEY_PATH", "keys/server-2024.pem"),
    ("API_KEY", "os.environ[API_KEY]"),
    ("API_KEY", "process.env.API_KEY"),
    ("PASSWORD", "changeme"),
    ("PASSWORD", "change-me-please"),
    ("API_KEY", "<your-api-key>"),
    ("API_KEY", "your_api_key_here"),
    ("API_KEY", "xxxxxxxxxxxxxxxxxxxxxxxx"),
    ("GITHUB_TOKEN", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    ("OPENAI_API_KEY", "sk-..."),
    ("SECRET", "REPLACE_ME"),
    ("SECRET_KEY", "********************"),
    ("TOKEN", "insert-token-here"),
    ("TOKEN", "dummy-token-for-tests"),
    ("PASSWORD", "not-a-real-password"),
    ("API_KEY", "test"),
    ("PASSWORD", "example"),
    ("SECRET", "none"),
    ("TOKEN", "TODO"),
    ("AUTH_TOKEN", "fake-token-1234"),
    ("PASSWORD", "mot-de-passe"),
    ("PASSWORD", "ihr-passwort-hier"),
    (
        "PUBLIC_KEY",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~ dev@example.com",
    ),
    ("VERIFY_KEY", "RWQ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"),
    ("STRIPE_PUBLISHABLE_KEY", "pk_live_~~~~~~~~~~~~~~~~~~~~~~~~"),
    ("AGE_RECIPIENT", "age1~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"),
    ("PASSWORD_HASH", "$2b$12$~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"),
    ("MAX_TOKENS", "4096"),
    ("TOKEN_BUDGET", "128000"),
    ("TOKENIZER", "cl100k_base"),
    ("SECRET_NAME", "prod/db/password"),
    ("API_KEY_HEADER", "X-Api-Key"),
    ("PASSWORD_POLICY", "min-length-12-with-digits"),
    ("KEY_ALGORITHM", "RSASSA_PSS_SHA_512"),
    ("SORT_KEY", "created_at#desc"),
    ("CACHE_KEY", "user:profile:v2:~~~~"),
    ("TRACE_ID", "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("BUILD_ID", "~~~~~~~~~~~~~~~~~~~~~~~~"),
    ("SENTRY_RELEASE", "tool@1.4.2+^^^^^^^^^^^^"),
    ("BASE_URL", "https://api.example.com/v1/~~~~~~~~~~~~"),
    ("DATABASE_URL", "postgres://app@db.example.com/app"),
    ("DATABASE_URL", "postgres://user:password@localhost:5432/app"),
    ("DATABASE_URL", "postgres://app:${DB_PASSWORD}@db.example.com/app"),
    ("REDIS_URL", "redis://:$REDIS_PASSWORD@cache:6379/0"),
    ("GREETING", "Der schnelle braune Fuchs springt"),
    ("TITLE", "La contrase\u{f1}a se guarda en el almac\u{e9}n"),
    ("JAVA_OPTS", "-Xmx512m -XX:+UseG1GC -Dfile.encoding=UTF-8"),
    ("PYTHONPATH", "/app/src:/app/vendor"),
    ("LOGO", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"),
    ("CONTENT_HASH", "md5-^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("PACKAGE", "pkg:npm/%40acme/tool@1.2.3"),
    ("CSS_CLASS", "sk-loading-indicator-with-a-long-name"),
    ("REGEX", "^[A-Za-z0-9_-]{20,}$"),
    ("AWS_ACCESS_KEY_ID", concat!("AK", "IAIOSFODNN7EXAMPLE")),
    ("AWS_SECRET_ACCESS_KEY", concat!("wJalrXUtnFEMI/K7MDENG/", "bPxRfiCYEXAMPLEKEY")),
    ("CARD", "4242424242424242"),
    ("STRIPE_PRICE_ID", "price_~~~~~~~~~~~~~~~~~~~~~~~~"),
    ("POSTHOG_KEY", "phc_~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"),
    ("OPENAI_ORG", "org-~~~~~~~~~~~~~~~~~~~~~~~~"),
    ("TWILIO_ACCOUNT_SID", "AC^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("SENTRY_DSN", "https://^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^@o123456.ingest.sentry.io/4505"),
    ("S3_KEY", "uploads/2024/05/^^^^^^^^-^^^^-4^^^-8^^^-^^^^^^^^^^^^.parquet"),
    ("NIX_HASH", "sha256-~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~="),
    ("STORE_PATH", "/nix/store/~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~-python3-3.12.3"),
    ("TRACEPARENT", "00-^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^-^^^^^^^^^^^^^^^^-01"),
    ("SECRET_ROTATION", "rotate-every-30-days"),
    ("SECRET_BACKEND", "airflow.providers.hashicorp.secrets.vault.VaultBackend"),
    ("DATABASE_URL", "postgres://app:%s@db.example.com/app"),
    (
        "JWT_EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~",
    ),
    ("REGEX", "sk-[a-zA-Z0-9]{20,}"),
    ("ERROR_TEXT", "token expired: please log in again"),
    ("MODEL_FILE", "model-^^^^^^^^^^^^^^^^.safetensors"),
    ("GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D"),
    ("TOKEN_ADDRESS", "0x^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("IDEMPOTENCY_KEY", "^^^^^^^^-^^^^-4^^^-8^^^-^^^^^^^^^^^^"),
    ("LAST_PASSWORD_CHANGE", "2024-01-31T12:00:00Z"),
    ("PASSWORD", "ENV[DB_PASSWORD]"),
    ("PASSWORD", "__DB_PASSWORD__"),
    ("DB_PASSWORD", "prod-db-password"),
    ("KMS_KEY", "alias/app-signing-key"),
    ("RECAPTCHA_SITE_KEY", "6Lc~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"),
    (
        "CERTIFICATE",
        "-----BEGIN CERTIFICATE-----\\nMIIB~~~~~~~~~~~~~~~~~~~~~~~~~~~~\\n-----END CERTIFICATE-----",
    ),
];

/// Made-up characters in place of `~` and `^`.
fn filled(pattern: &str, noise: &mut Noise) -> String {
    let wild = pattern.contains("~~") || pattern.contains("^^");
    let one = |c: char, noise: &mut Noise| match c {
        '~' if wild => noise.alphanumeric(1),
        '^' if wild => format!("{:x}", noise.next() % 16),
        c => c.to_string(),
    };
    pattern.chars().map(|c| one(c, noise)).collect()
}

fn percent_encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// A whole file with the value at the position.
pub(super) fn file(template: &str, name: &str, value: &str) -> String {
    let mut half = value.len() / 2;
    while !value.is_char_boundary(half) || value[..half].ends_with('\\') {
        half -= 1;
    }
    let lower = name.to_ascii_lowercase();
    let lower = if template.starts_with('!') { lower } else { lower.replace('_', "-") };
    let identifier = lower.replace('-', "_");
    let encoded = base64(format!("{name}={value}\n").as_bytes());
    let body = template
        .replace("@N", name)
        .replace("@L", &lower)
        .replace("@K", &identifier)
        .replace("@V", value)
        .replace("@1", &value[..half])
        .replace("@2", &value[half..])
        .replace("@B", &encoded)
        .replace("@E", &percent_encoded(value));
    let (mut before, mut arguments) = (String::new(), String::new());
    let mut head = "def run(prompt: str) -> str:\n".to_owned();
    for line in body.split_inclusive('\n') {
        match line.chars().next() {
            Some('#') if arguments.is_empty() => before.push_str(&line[1..]),
            Some('!') => head = format!("{}\n", &line[1..]),
            Some('~') => head.push_str(&format!("    {}", &line[1..])),
            _ => arguments.push_str(line),
        }
    }
    format!(
        "import mvm\n\n{before}\n\n@mvm.app(\n    name=\"tool\",\n    image=mvm.python_image(),\n    \
         resources=mvm.resources(memory_mb=512),\n    network=mvm.network(mode=\"deny\"),\n{arguments}\n)\n{head}    \
         return \"done\"\n"
    )
}

fn corpus() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut noise = Noise::new(41);
    let mut look_alikes = (0..).map(|i| LOOK_ALIKES[(i * 7) % LOOK_ALIKES.len()]);
    let mut add = |class: &str, nth: usize, name: &str, value: &mut dyn FnMut(&mut Noise) -> String| {
        for (position, template) in POSITIONS {
            let held_out = nth % 2 == 1;
            let text = file(template, name, &value(&mut noise));
            cases.push(Case { class: class.to_owned(), position, secret: true, held_out, text });
            let (other, pattern) = look_alikes.next().unwrap_or_default();
            let text = file(template, other, &filled(pattern, &mut noise));
            cases.push(Case { class: format!("{other}={pattern}"), position, secret: false, held_out, text });
        }
    };
    for (nth, provider) in PROVIDERS.iter().enumerate() {
        let shape = provider.shapes.first().or(provider.hinted.first()).copied().unwrap_or_default();
        let hint = provider.hints.first().map(|h| h.trim_matches('_').to_uppercase());
        let name = match hint {
            Some(hint) if provider.shapes.is_empty() => format!("{hint}_API_KEY"),
            _ if nth % 3 == 0 => "VALUE".to_owned(),
            _ => format!("{}_TOKEN", provider.id.to_uppercase().replace('-', "_")),
        };
        let mut seed = nth as u64;
        add(provider.id, nth, &name, &mut |_| {
            seed += 1000;
            credential(provider, shape, seed)
        });
    }
    for (nth, (name, pattern)) in SECRETS.iter().enumerate() {
        add(pattern, nth, name, &mut |noise| filled(pattern, noise));
    }
    let pem = |noise: &mut Noise| {
        let lines: Vec<String> = (0..6).map(|_| noise.alphanumeric(64)).collect();
        let label = ["PRIVATE", " KEY"].concat();
        format!("-----BEGIN {label}-----\\n{}\\n-----END {label}-----", lines.join("\\n"))
    };
    for nth in 0..4 {
        add("private key", nth, "SIGNING_MATERIAL", &mut |noise| pem(noise));
    }
    cases
}

/// Does any rule about credentials have a finding?
pub(super) fn found(text: &str) -> bool {
    let analysis = analyze(text, &FileContext::default(), &Config::default(), &NoFacts);
    analysis.findings.iter().any(|f| matches!(f.rule, "MVM501" | "MVM502" | "MVM503" | "MVM504" | "MVM508"))
}

/// Recall and precision on one half.
fn judge(cases: &[Case], held_out: bool, report: &mut String) -> (f64, f64) {
    let (mut hits, mut missed, mut false_alarms) = (0usize, 0usize, 0usize);
    for case in cases.iter().filter(|c| c.held_out == held_out) {
        match (case.secret, found(&case.text)) {
            (true, true) => hits += 1,
            (true, false) => {
                missed += 1;
                let _ = writeln!(report, "missed {} in {}", case.class, case.position);
            }
            (false, true) => {
                false_alarms += 1;
                let _ = writeln!(report, "false alarm {} in {}", case.class, case.position);
            }
            (false, false) => {}
        }
    }
    let share = |part: usize, rest: usize| part as f64 / (part + rest).max(1) as f64;
    (share(hits, missed), share(hits, false_alarms))
}

#[test]
fn credentials_are_told_from_what_looks_like_them() {
    let cases = corpus();
    for held_out in [false, true] {
        let mut report = String::new();
        let (recall, precision) = judge(&cases, held_out, &mut report);
        if std::env::var_os("SHOW").is_some() {
            eprintln!("held out: {held_out}; recall {recall:.3}, precision {precision:.3}\n{report}");
        }
        assert!(recall >= 0.95, "recall {recall:.3}\n{report}");
        assert!(precision >= 0.98, "precision {precision:.3}\n{report}");
    }
}

/// Writes the corpus for `cargo xtask bench secrets`, a directory a half and label, and beside it the files in which
/// the rules find something.
#[test]
fn the_corpus_can_be_written_out() {
    let Some(dir) = std::env::var_os("MVM_CORPUS").map(std::path::PathBuf::from) else { return };
    let mut findings = String::new();
    for (i, case) in corpus().iter().enumerate() {
        let half = if case.held_out { "reported" } else { "tuned" };
        let label = if case.secret { "secret" } else { "innocent" };
        let place = dir.join(half).join(label);
        std::fs::create_dir_all(&place).expect("the corpus can be written");
        std::fs::write(place.join(format!("case{i:05}.py")), &case.text).expect("the corpus can be written");
        if found(&case.text) {
            let _ = writeln!(findings, "{half}/{label}/case{i:05}.py");
        }
    }
    std::fs::write(dir.join("mvm-lsp.txt"), findings).expect("the corpus can be written");
}
