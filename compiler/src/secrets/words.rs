//! Telling language from noise: words and placeholders. What people write is no credential.

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
    let (mut pairs, mut common, mut turns, mut breaks) = (0usize, 0usize, 0usize, 0usize);
    for (at, pair) in bytes.windows(2).enumerate() {
        let [a, b] = [pair[0], pair[1]];
        breaks += usize::from(is_break(at.checked_sub(1).map(|before| bytes[before]), a, b));
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
    let regular = digits * 5 < length && turns * 4 <= length && breaks * 4 <= length;
    pairs >= 2 && common * 100 >= pairs * 55 && regular
}

/// Do letters and digits of different kinds meet? A single capital may begin a word; noise changes all the time.
fn is_break(before: Option<u8>, a: u8, b: u8) -> bool {
    let kind = |b: u8| (b.is_ascii_lowercase(), b.is_ascii_uppercase(), b.is_ascii_digit());
    let begins = a.is_ascii_uppercase()
        && b.is_ascii_lowercase()
        && before.is_none_or(|before| !before.is_ascii_uppercase());
    a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() && kind(a) != kind(b) && !begins
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
    "testing123",
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
        || PLACEHOLDERS.iter().any(|p| holds(&lower, p))
        || is_monotonous(text)
}

/// Does a text hold this part? Noise has every short word in it sooner or later: one counts where it begins or ends a
/// word, the longer the text the more so.
fn holds(text: &str, part: &str) -> bool {
    let bytes = text.as_bytes();
    let letters = part.bytes().all(|b| b.is_ascii_lowercase());
    let free = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_none_or(|b| !b.is_ascii_alphanumeric());
    text.match_indices(part).any(|(at, _)| {
        let (before, after) = (free(at.checked_sub(1)), free(Some(at + part.len())));
        match part.len() {
            _ if !letters => part.len() > 4 || text.len() < 256 || before && after,
            0..4 => before && after,
            4..6 if text.len() < 24 => true,
            4..6 => before || after,
            6..8 if text.len() >= 256 => before || after,
            _ => true,
        }
    })
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
        for noise in [
            "LJ2EIulLAlmyOLENO7SVnCKSaN2YX76r",
            "q8Zk2vXw9LpTr4Nd",
            "zqxjkvbp",
            "GkQxWzJvTbYhUpLm",
            "9f86d081884c7d65",
            "kX9-vQ2_zW7",
        ] {
            assert!(!is_wordy(noise), "{noise}");
        }
    }

    #[test]
    fn placeholders_are_known() {
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
        for text in ["q8Zk2vXw9LpTr4Nd", "hunter2", "viH6NVXqWjxJ4ECxb9o3r4LtBDx7vrkd75rk5k"] {
            assert!(!is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn a_short_word_within_noise_is_no_placeholder() {
        let noise = "q8Zk2vXw9LpTr4NdHs6Yb3Mc";
        for word in ["todo", "TBD", "fake", "mock"] {
            assert!(!is_placeholder(&format!("{noise}{word}{noise}")), "{word}");
            assert!(is_placeholder(&format!("{word}-{noise}")), "{word}");
        }
    }
}
