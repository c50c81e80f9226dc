//! Formats as their issuers document them, written down apart from the table: an entry of the table that is mistyped
//! finds its own samples all the same, and misses these.

use super::checksum::Check;
use super::corpus_tests::{POSITIONS, file, found};
use super::samples::Noise;

/// Name of a variable, and the format. `<b36>` is so many of a class: `b` letters and digits, `a` letters, `w` those of
/// base64 for URLs, `h` hex, `d` digits, `l` and `u` letters of one case and digits, `p` base64.
const FORMATS: &[(&str, &str)] = &[
    ("GH_FINE", "github_pat_11<u20>_<b59>"),
    ("GITLAB_PAT", "glpat-<w20>"),
    ("GITLAB_PAT", "glpat-<w27>.01.<l9>"),
    ("RUNNER", "glrt-<w20>"),
    ("SLACK_BOT", "xoxb-<d12>-<d13>-<b24>"),
    ("SLACK_USER", "xoxp-<d12>-<d12>-<d13>-<h32>"),
    ("SLACK_APP", "xapp-1-A<u10>-<d13>-<h64>"),
    ("HOOK", "https://hooks.slack.com/services/T<u10>/B<u10>/<b24>"),
    ("AWS_ID", "AKIA<s16>"),
    ("MAPS", "AIzaSy<w33>"),
    ("OAUTH", "GOCSPX-<w28>"),
    ("STRIPE", "sk_live_51<b97>"),
    ("STRIPE", "rk_live_<b24>"),
    ("STRIPE_HOOK", "whsec_<b32>"),
    ("TWILIO", "SK<h32>"),
    ("SENDGRID", "SG.<w22>.<w43>"),
    ("MAILCHIMP", "<h32>-us14"),
    ("PYPI", "pypi-AgEIcHlwaS5vcmcC<w150>"),
    ("OPENAI", "sk-proj-<w74>T3BlbkFJ<w74>"),
    ("ANTHROPIC", "sk-ant-api03-<w93>AA"),
    ("HF", "hf_<a34>"),
    ("REPLICATE", "r8_<b37>"),
    ("DO", "dop_v1_<h64>"),
    ("SHOPIFY", "shpat_<h32>"),
    ("TELEGRAM", "<d10>:AA<w33>"),
    ("NEWRELIC", "NRAK-<u27>"),
    ("SENTRY", "sntryu_<h64>"),
    ("VAULT", "hvs.CAES<w91>"),
    ("TFE", "<b14>.atlasv1.<w67>"),
    ("DOPPLER", "dp.st.dev.<b43>"),
    ("LINEAR", "lin_api_<b40>"),
    ("NOTION", "ntn_<d11><b35>"),
    ("AIRTABLE", "pat<b14>.<h64>"),
    ("FIGMA", "figd_<w40>"),
    ("POSTMAN", "PMAK-<h24>-<h34>"),
    ("SUPABASE", "sbp_<h40>"),
    ("DATABRICKS", "dapi<h32>-2"),
    ("FLY", "FlyV1 fm2_<p620>"),
    ("GEM", "rubygems_<h48>"),
    ("CRATES", "cio<b32>"),
    ("NUGET", "oy2<l43>"),
    ("DOCKER", "dckr_pat_<w27>"),
    ("SONAR", "squ_<h40>"),
    ("CIRCLE", "CCIPAT_<b22>_<h40>"),
    ("AZURE_AD", "<b3>8Q~<w34>"),
    ("AZURE_FUNCTION", "<w44>AzFu<w5>A=="),
    ("AZURE_SEARCH", "<b42>AzSeA<b5>"),
    ("AZURE_REGISTRY", "<p42>+ACRA<b5>"),
    ("AZURE_COSMOS", "<b76>ACDb<b5>A=="),
    ("ALIBABA", "LTAI5t<b18>"),
    ("TENCENT", "AKID<b32>"),
    ("YANDEX", "AQVN<w36>"),
    ("PLAID", "access-production-<h8>-<h4>-<h4>-<h4>-<h12>"),
    ("EASYPOST", "EZAK<b54>"),
    ("BREVO", "xkeysib-<h64>-<b16>"),
    ("AGE", "AGE-SECRET-KEY-1<U58>"),
    ("PULUMI", "pul-<h40>"),
    ("GROQ", "gsk_<b52>"),
    ("XAI", "xai-<b80>"),
    ("OPENROUTER", "sk-or-v1-<h64>"),
    ("LANGSMITH", "lsv2_pt_<h32>_<h10>"),
    ("PINECONE", "pcsk_<b5>_<b63>"),
    ("RESEND", "re_<b8>_<b24>"),
    ("TAILSCALE", "tskey-auth-k<b11>CNTRL-<b32>"),
    ("DYNATRACE", "dt0c01.<u24>.<u64>"),
    ("HUBSPOT", "pat-na1-<h8>-<h4>-<h4>-<h4>-<h12>"),
    ("OPENSHIFT", "sha256~<w43>"),
    ("ZOHO", "1000.<h32>.<h32>"),
    ("OKTA", "SSWS 00<w40>"),
    ("DEEPL", "<h8>-<h4>-<h4>-<h4>-<h12>:fx"),
    ("WOO", "cs_<h40>"),
    ("STYTCH", "secret-live-<w35>="),
    ("LIVEBLOCKS", "sk_prod_<w64>"),
    ("APIFY", "apify_api_<b36>"),
    ("WAKATIME", "waka_<h8>-<h4>-<h4>-<h4>-<h12>"),
    ("TWITCH", "oauth:<l30>"),
    ("NYLAS", "nyk_v0_<b64>"),
];

fn characters(class: char) -> Vec<char> {
    let all = |test: fn(&u8) -> bool| (b'!'..=b'~').filter(test).map(char::from).collect();
    match class {
        'b' => all(u8::is_ascii_alphanumeric),
        'a' => all(u8::is_ascii_alphabetic),
        'w' => all(|b| b.is_ascii_alphanumeric() || b"_-".contains(b)),
        'p' => all(|b| b.is_ascii_alphanumeric() || b"+/".contains(b)),
        'h' => all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b)),
        'd' => all(u8::is_ascii_digit),
        'l' => all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()),
        'u' => all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()),
        's' => all(|b| (b'2'..=b'7').contains(b) || b.is_ascii_uppercase()),
        'U' => "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".chars().collect(),
        other => panic!("no class {other}"),
    }
}

fn made(format: &str, noise: &mut Noise) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('<') {
        let (run, after) = after.split_once('>').expect("a class is closed");
        let class = characters(run.chars().next().expect("a class has a letter"));
        let count: usize = run[1..].parse().expect("a class has a number");
        out.push_str(before);
        out.extend((0..count).map(|_| class[noise.next() as usize % class.len()]));
        rest = after;
    }
    out + rest
}

fn every_case(seed: u64) -> Vec<(String, &'static str, String)> {
    let mut noise = Noise::new(seed);
    let mut cases = Vec::new();
    for (name, format) in FORMATS {
        for (position, template) in POSITIONS {
            cases.push(((*format).to_owned(), *position, file(template, name, &made(format, &mut noise))));
        }
    }
    for prefix in ["ghp_", "gho_", "ghs_", "npm_"] {
        for (position, template) in POSITIONS {
            let mut token = format!("{prefix}{}", noise.alphanumeric(36));
            Check::Crc32Base62.seal(&mut token);
            cases.push((prefix.to_owned(), *position, file(template, "VALUE", &token)));
        }
    }
    cases
}

/// Under names that say nothing, in every position.
#[test]
fn documented_formats_are_found() {
    let cases = every_case(5);
    let missed: Vec<String> =
        cases.iter().filter(|(.., text)| !found(text)).map(|(f, p, _)| format!("{f} in {p}")).collect();
    assert!(missed.len() * 100 <= cases.len(), "{} of {} missed: {missed:#?}", missed.len(), cases.len());
}

/// One character short, or with one that the issuer does not use.
#[test]
fn what_only_begins_like_one_is_left_alone() {
    let noise = Noise::new(3).alphanumeric(60).to_lowercase();
    for text in [
        format!("ghp_{}", &noise[..20]),
        format!("glpat-{}", &noise[..12]),
        format!("AKIA{}", &noise[..16]),
        format!("dop_v1_{}", "zz".repeat(32)),
        format!("hf_{}", &noise[..10]),
        format!("waka_{}", &noise[..30]),
        "oauth:authorize-the-client-application".to_owned(),
        "1000.0.0".to_owned(),
        "cs_CZ.UTF-8".to_owned(),
        "secret-live-session-of-the-team-on-air".to_owned(),
    ] {
        let text = file("env={\"@N\": \"@V\"},", "VALUE", &text);
        assert!(!found(&text), "{text}");
    }
}
