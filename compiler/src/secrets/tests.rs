//! Every entry of the table finds what it describes, wherever it stands, and nothing that only resembles it.

use super::samples::{Noise, credential, of};
use super::*;

fn kinds(text: &str, name: Option<&str>) -> Vec<String> {
    scan(text, name)
        .into_iter()
        .map(|h| match h.kind {
            HitKind::Provider(p) => p.id.to_owned(),
            HitKind::Likely(p) => format!("likely {}", p.map_or("", |p| p.id)),
            HitKind::PrivateKey => "key".to_owned(),
            HitKind::Url => "url".to_owned(),
        })
        .collect()
}

#[test]
fn the_table_is_sound() {
    let mut ids: Vec<_> = PROVIDERS.iter().map(|p| p.id).collect();
    assert!(ids.len() >= 120, "{} providers", ids.len());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), PROVIDERS.len(), "ids are unique");
    for p in PROVIDERS {
        assert!(!p.shapes.is_empty() || !p.hinted.is_empty(), "{} has a shape", p.id);
        assert_eq!(p.hints.is_empty(), p.hinted.is_empty(), "{}: hints and hinted shapes go together", p.id);
        assert!(p.hints.iter().all(|h| *h == h.to_lowercase()), "{}", p.id);
    }
}

#[test]
fn every_shape_finds_its_own_samples_in_every_position() {
    let mut missed = Vec::new();
    for provider in PROVIDERS {
        for shape in provider.shapes {
            for seed in 1..6 {
                let token = credential(provider, shape, seed);
                for text in [
                    token.clone(),
                    format!("tool --flag '{token}'"),
                    format!("X={token}; export X"),
                    format!("a\\n{token}\\nb"),
                    format!("{{\"value\":\"{token}\"}}"),
                ] {
                    let hits = scan(&text, None);
                    let whole = hits.iter().any(|h| {
                        matches!(h.kind, HitKind::Provider(_) | HitKind::Url)
                            && token.contains(&text[h.range.clone()])
                            && h.range.len() * 2 >= token.len()
                    });
                    if !whole {
                        missed.push(format!("{} {shape}", provider.id));
                    }
                }
            }
        }
    }
    missed.dedup();
    assert!(missed.is_empty(), "{} missed: {missed:#?}", missed.len());
}

#[test]
fn hinted_shapes_count_under_their_name_alone() {
    for provider in PROVIDERS {
        for shape in provider.hinted {
            let token = credential(provider, shape, 3);
            let hint = provider.hints[0].trim_end_matches('_').to_uppercase();
            let found = kinds(&token, Some(&format!("{hint}_API_KEY")));
            assert!(!found.is_empty(), "{} {shape}", provider.id);
        }
    }
    let encoded = base64(of("codecov").as_bytes());
    assert_eq!(kinds(&encoded, Some("CODECOV_TOKEN")), ["codecov"]);
    let hex = of("linode");
    assert!(kinds(&hex, Some("BUILD_COMMIT")).is_empty());
    assert!(kinds(&hex, None).is_empty());
}

#[test]
fn a_wrong_checksum_is_only_likely() {
    let mut token = of("github");
    assert_eq!(kinds(&token, None), ["github"]);
    let last = if token.ends_with('a') { "b" } else { "a" };
    token.replace_range(token.len() - 1.., last);
    assert_eq!(kinds(&token, None), ["likely github"]);
}

#[test]
fn look_alikes_are_left_alone() {
    let noise = |n| Noise::new(9).alphanumeric(n);
    for text in [
        "ghp_".to_owned() + &"x".repeat(36),
        "sk-proj-your-key-goes-here-please".to_owned(),
        "AKIAIOSFODNN7".to_owned() + "EXAMPLE",
        "sk-some-long-css-class-name-that-goes-on-and-on".to_owned(),
        "my-task-proj-identifier-of-a-build-job".to_owned(),
        "123e4567-e89b-12d3-a456-426614174000".to_owned(),
        format!("sha256:{}", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        "MyVeryLongClassNameIsHereX.method.some_long_function_name_of_thirty".to_owned(),
        "/run/secrets/openai_api_key".to_owned(),
        "postgres://user:password@localhost/db".to_owned(),
        format!("https://example.com/{}", noise(40)),
        "Lorem ipsum dolor sit amet, consectetur adipiscing elit".to_owned(),
    ] {
        assert!(scan(&text, None).is_empty(), "{text}: {:?}", kinds(&text, None));
        assert!(scan(&text, Some("VALUE")).is_empty(), "{text}");
    }
}

#[test]
fn what_is_encoded_is_seen_through() {
    let token = of("github");
    let encoded = base64(format!("token={token}\n").as_bytes());
    assert_eq!(kinds(&format!("x {encoded} y"), None), ["github"]);
    let url = ["postgres%3A%2F%2Fapp%3A", "cedarLp7xQ9", "%40db%2Fapp"].concat();
    assert_eq!(kinds(&url, None), ["url"]);
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let six = ALPHABET[(n >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(six) } else { '=' });
        }
    }
    out
}

#[test]
fn a_message_shows_four_characters_at_most() {
    let token = of("github");
    assert_eq!(redact(&token), "`ghp_…`, 40 characters");
    assert_eq!(redact("hunter2"), "7 characters");
    assert_eq!(redact("ab\ncdefghijklm"), "14 characters");
}

#[test]
fn long_and_hostile_texts_stay_quick() {
    let start = std::time::Instant::now();
    for piece in ["sk-", "eyJ", "a", "://a:b", "-----BEGIN PRIVATE KEY-----", "password=", "M", "%41", "é"] {
        let one = std::time::Instant::now();
        scan(&piece.repeat(30_000 / piece.len()), Some("API_KEY"));
        if std::env::var_os("SHOW").is_some() {
            eprintln!("{piece} {:?}", one.elapsed());
        }
    }
    // Linear takes a second even in a debug build on a busy machine; quadratic takes many minutes.
    assert!(start.elapsed().as_secs() < 60);
}
