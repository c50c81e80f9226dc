//! Telling language from noise: words, placeholders, references. What people write is no credential.

/// The commonest pairs of letters in English and in identifiers: words are made of them, noise is not.
const PAIRS: &str = "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se ha as ou io le ve co me de \
    hi ri ro ic ne ea ra ce li ch ll be ma si om ur ca el ta la ns di fo ho pe ec pr no ct us ac ot il tr ly nc et ut ss \
    so rs un lo wa ge ie wh ee wi em ad ol rt po we na ul ni ts mo ow pa im mi ai sh ir su id os iv ia am fi ci vi pl ig \
    tu ev ld ry mp fe bl ab gh ty op wo sa ay ex ke ui fr oo ag bo ap ck do up pt ub da ds rd rm ks ey ok ip ff gr";

/// One bit a pair.
static TABLE: [u32; 26] = table();

const fn table() -> [u32; 26] {
    let mut table = [0u32; 26];
    let bytes = PAIRS.as_bytes();
    let mut at = 0;
    while at + 1 < bytes.len() {
        if bytes[at].is_ascii_lowercase() && bytes[at + 1].is_ascii_lowercase() {
            table[(bytes[at] - b'a') as usize] |= 1 << (bytes[at + 1] - b'a');
            at += 2;
        } else {
            at += 1;
        }
    }
    table
}

/// Reads as words: `prod-db-password`, `MyClassName`, `some_module.function`.
pub fn is_wordy(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let (mut pairs, mut common, mut turns) = (0usize, 0usize, 0usize);
    for pair in bytes.windows(2) {
        let [a, b] = [pair[0], pair[1]];
        if !a.is_ascii_alphabetic() || !b.is_ascii_alphabetic() {
            continue;
        }
        // `aB` begins a word, `Ab` and `ab` go on: only the latter are pairs of one word.
        if a.is_ascii_lowercase() && b.is_ascii_uppercase() {
            turns += 1;
            continue;
        }
        pairs += 1;
        let (a, b) = (a.to_ascii_lowercase() - b'a', b.to_ascii_lowercase() - b'a');
        common += usize::from(TABLE[a as usize] >> b & 1 == 1);
    }
    let length = bytes.len().max(1);
    pairs >= 2 && common * 100 >= pairs * 55 && digits * 5 < length && turns * 4 <= length
}

/// Shannon entropy, bits a character.
pub fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    text.bytes().for_each(|b| counts[usize::from(b)] += 1);
    let length = text.len().max(1) as f64;
    counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) / length).map(|p| -p * p.log2()).sum()
}

/// Parts of text that nobody's credential holds.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "your-",
    "your_",
    "yourkey",
    "yourtoken",
    "yoursecret",
    "yourapi",
    "xxxx",
    "redacted",
    "dummy",
    "insert",
    "replace",
    "todo",
    "fixme",
    "sample",
    "fake",
    "mock",
    "lorem",
    "ipsum",
    "not-set",
    "not_set",
    "notset",
    "undefined",
    "unset",
    "00000000",
    "11111111",
    "aaaaaa",
    "123456789012",
    "abcdefghijkl",
    "deadbeef",
    "cafebabe",
    "****",
    "....",
    "____",
    "----",
    "test-token",
    "test_token",
    "testtoken",
    "test-key",
    "test_key",
    "testkey",
    "test-secret",
    "test_secret",
    "test-password",
    "my-secret",
    "my_secret",
    "mysecret",
    "my-token",
    "my_token",
    "my-api-key",
    "my_api_key",
    "secret-here",
    "key-here",
    "token-here",
    "goes-here",
    "goes_here",
    "not-a-real",
    "not_a_real",
    "not-a-secret",
    "notasecret",
    "contrase",
    "mot-de-passe",
    "motdepasse",
    "passwort",
    "wachtwoord",
    "some-secret",
    "some_secret",
    "put-your",
    "enter-your",
    "fill-me",
    "fill_me",
    "tbd",
    "…",
];

/// Whole values that stand for a credential and are none.
const STAND_INS: &[&str] = &[
    "password",
    "passwd",
    "pass",
    "pwd",
    "pw",
    "secret",
    "token",
    "key",
    "apikey",
    "api-key",
    "api_key",
    "none",
    "null",
    "nil",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "empty",
    "test",
    "testing",
    "tests",
    "default",
    "admin",
    "root",
    "user",
    "username",
    "guest",
    "foo",
    "bar",
    "baz",
    "foobar",
    "hidden",
    "masked",
    "disabled",
    "enabled",
    "required",
    "optional",
    "prompt",
    "ask",
    "auto",
    "bearer",
    "basic",
    "digest",
    "oauth",
    "oauth2",
    "jwt",
    "anonymous",
    "public",
    "private",
    "local",
    "localhost",
    "dev",
    "development",
    "prod",
    "production",
    "staging",
    "string",
    "value",
    "env",
    "environment",
    "vault",
    "keyring",
    "trust",
    "peer",
    "md5",
    "scram-sha-256",
    "password123",
    "pass123",
    "admin123",
    "secret123",
    "test123",
    "test1234",
    "12345",
    "123456",
    "1234567",
    "12345678",
    "123456789",
];

/// Stands for a credential, and is none.
pub fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let bare =
        lower.trim_matches(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '!' | '@' | '#' | '$'));
    bare.is_empty()
        || STAND_INS.contains(&lower.as_str())
        || STAND_INS.contains(&bare)
        || PLACEHOLDERS.iter().any(|p| lower.contains(p))
        || is_monotonous(text)
}

/// One or few characters over and over, or mostly counting up.
fn is_monotonous(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 {
        return bytes.iter().all(|b| *b == bytes[0]);
    }
    let mut seen = [false; 256];
    bytes.iter().for_each(|b| seen[usize::from(*b)] = true);
    let distinct = seen.iter().filter(|s| **s).count();
    let steps = bytes.windows(2).filter(|w| w[1] == w[0].wrapping_add(1) || w[1] == w[0]).count();
    distinct <= 3
        || (bytes.len() >= 16 && distinct <= 4)
        || steps * 10 >= bytes.len() * 6
        || has_period(bytes)
}

/// A short piece repeated: `abcabcabcabc`.
fn has_period(bytes: &[u8]) -> bool {
    (1..=8.min(bytes.len() / 3)).any(|n| bytes.windows(n + 1).all(|w| w[0] == w[n]))
}

/// Names the place of a value instead of being it: `${TOKEN}`, `op://…`, `/run/secrets/token`, `{{ token }}`.
pub fn is_reference(text: &str) -> bool {
    const STARTS: &[&str] = &[
        "$",
        "%(",
        "{{",
        "{%",
        "<",
        "[[",
        "!Ref",
        "!Sub",
        "!secret",
        "ENC[",
        "@Microsoft.KeyVault",
        "projects/",
        "ref+",
        "vault:",
        "secret:",
        "secret/",
        "secrets/",
        "env:",
        "env.",
        "env[",
        "ENV[",
        "#{",
        "%{",
        "@@",
        "secretKeyRef",
        "valueFrom",
        "sops:",
        "doppler:",
        "bws:",
        "file:",
        "ssm:",
        "sm:",
        "kms:",
        "arn:",
        "aws:",
        "gcp:",
        "azure:",
        "bao:",
        "keyring:",
        "config:",
        "var.",
        "local.",
        "data.",
        "os.environ",
        "process.env",
        "alias/",
        "urn:",
        "did:",
        "spiffe:",
        "k8s:",
        "/",
        "./",
        "../",
        "~/",
        "C:\\",
    ];
    let text = text.trim();
    let scheme = text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    });
    let template = text.starts_with('{') && text.ends_with('}') || text.contains("${") || text.contains("$(");
    let wrapped =
        text.starts_with("__") && text.ends_with("__") || text.starts_with('[') && text.ends_with(']');
    let windows = text.starts_with('%') && text.ends_with('%');
    STARTS.iter().any(|s| text.starts_with(s)) || scheme || template || wrapped || windows
}

/// `8-4-4-4-12` hex.
pub fn is_uuid(text: &str) -> bool {
    let text = text.trim_start_matches('{').trim_end_matches('}');
    let groups: Vec<&str> = text.split('-').collect();
    groups.len() == 5
        && groups.iter().zip([8, 4, 4, 4, 12]).all(|(g, n)| g.len() == n)
        && groups.iter().all(|g| g.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `sha256:…`, `sha512-…`, `md5=…`
pub fn is_digest(text: &str) -> bool {
    ["sha1", "sha224", "sha256", "sha384", "sha512", "md5", "blake2b", "blake3", "crc32"].iter().any(|name| {
        text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            && text[name.len()..].starts_with([':', '-', '=', '$'])
    })
}

/// Public by nature: public keys, certificates, fingerprints, password hashes.
pub fn is_public(text: &str) -> bool {
    const STARTS: &[&str] = &[
        "ssh-rsa ",
        "ssh-ed25519 ",
        "ecdsa-sha2-",
        "sk-ssh-",
        "AAAAB3Nza",
        "AAAAC3Nza",
        "-----BEGIN PUBLIC",
        "-----BEGIN CERT",
        "-----BEGIN RSA PUBLIC",
        "-----BEGIN PGP PUBLIC",
        "SHA256:",
        "MD5:",
        "age1",
        "pk_live_",
        "pk_test_",
        "phc_",
        "pk.eyJ",
        "sb_publishable_",
        "$2a$",
        "$2b$",
        "$2y$",
        "$argon2",
        "$pbkdf2",
        "$6$",
        "$5$",
        "$1$",
        "{SHA}",
        "{SSHA}",
        "0x0",
        "xpub",
        "npub1",
        "data:",
    ];
    STARTS.iter().any(|s| text.starts_with(s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_from_noise() {
        for word in [
            "prod-db-password",
            "openai-api-key",
            "MyClassName",
            "some_module.function",
            "required",
            "api.example.com",
        ] {
            assert!(is_wordy(word), "{word}");
        }
        for noise in ["q8Zk2vXw9LpTr4Nd", "zqxjkvbp", "GkQxWzJvTbYhUpLm", "9f86d081884c7d65", "kX9-vQ2_zW7"] {
            assert!(!is_wordy(noise), "{noise}");
        }
    }

    #[test]
    fn placeholders_and_references_are_known() {
        for text in [
            "changeme",
            "<your-key>",
            "xxxxxxxxxxxx",
            "YOUR_API_KEY",
            "aaaaaaaaaaaa",
            "0123456789abcdef",
            "password",
            "abcabcabcabc",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["q8Zk2vXw9LpTr4Nd", "hunter2"] {
            assert!(!is_placeholder(text), "{text}");
        }
        for text in [
            "$TOKEN",
            "${TOKEN}",
            "op://vault/item",
            "/run/secrets/x",
            "{{ x }}",
            "%TOKEN%",
            "arn:aws:x",
            "https://h/x",
        ] {
            assert!(is_reference(text), "{text}");
        }
        assert!(!is_reference("q8Zk2vXw/9LpTr4Nd"));
    }

    #[test]
    fn uuids_digests_and_public_things_are_known() {
        assert!(is_uuid("123e4567-e89b-12d3-a456-426614174000") && !is_uuid("123e4567-e89b"));
        assert!(is_digest("sha256:abc") && is_digest("SHA512-abc") && !is_digest("sha256"));
        assert!(is_public("ssh-ed25519 AAAA"));
    }
}
