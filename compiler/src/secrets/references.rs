//! Values that nobody keeps secret whatever they are called: references to a secret, and what is public by nature.

use super::words::is_wordy;

/// Names the place of a value instead of being it: `${TOKEN}`, `op://…`, `/run/secrets/token`, `{{ token }}`.
pub fn is_reference(text: &str) -> bool {
    const STARTS: &[&str] = &[
        "$ANSIBLE_VAULT;",
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
    let begins = STARTS.iter().any(|s| text.starts_with(s));
    let place = text.split_once(':').is_some_and(|(store, place)| {
        is_store(store) && place.contains(['/', '-', '_', '.', '#']) && is_wordy(place)
    });
    let calls = |(name, rest): (&str, &str)| {
        rest.ends_with(')')
            && name.len() > 1
            && name.bytes().all(|b| b.is_ascii_lowercase() || b"._".contains(&b))
    };
    let call = text.split_once('(').is_some_and(calls);
    begins
        || scheme
        || template
        || wrapped
        || windows
        || place
        || call
        || is_variable(text)
        || is_file_path(text)
}

/// `aws-sm:prod/key`: the name of a store, before the words that say where in it.
fn is_store(text: &str) -> bool {
    (2..20).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// `$NAME`, `${…}`, `$(…)`, `$HOME/key`; a password that begins with a dollar sign has other marks too.
fn is_variable(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('$') else { return false };
    rest.starts_with(['{', '(', '[', '$'])
        || !rest.contains(['!', '@', '#', '%', '^', '&', '*', '+', '~', '?'])
}

/// A path by its beginning, unless what follows is noise: base64 begins with a slash now and then.
fn is_file_path(text: &str) -> bool {
    let noise = |part: &str| {
        let has = |f: fn(&u8) -> bool| part.bytes().any(|b| f(&b));
        part.len() >= 16
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_digit)
            && !is_wordy(part)
    };
    let starts = ["/", "./", "../", "~/", "C:\\"].iter().any(|s| text.starts_with(s));
    starts && !text.split(['/', '\\']).any(noise)
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
    fn references_are_known() {
        for text in [
            "$TOKEN",
            "${TOKEN}",
            "op://vault/item",
            "/run/secrets/x",
            "{{ x }}",
            "%TOKEN%",
            "keychain:acme/prod",
            "lookup(\"env\", \"TOKEN\")",
            "arn:aws:x",
            "https://h/x",
        ] {
            assert!(is_reference(text), "{text}");
        }
        assert!(
            is_reference("/nix/store/0c0hsljzlzk7qxkv9k4bp4v2iz4xv2ai-python3/bin")
                && is_reference("$HOME/.ssh/id")
        );
        for own in ["q8Zk2vXw/9LpTr4Nd", "/kYGiwtLYo4rjO3SFeKatYjzxPhE", "$ecret!9xQ"] {
            assert!(!is_reference(own), "{own}");
        }
    }

    #[test]
    fn uuids_digests_and_public_things_are_known() {
        assert!(is_uuid("123e4567-e89b-12d3-a456-426614174000") && !is_uuid("123e4567-e89b"));
        assert!(is_digest("sha256:abc") && is_digest("SHA512-abc") && !is_digest("sha256"));
        assert!(is_public("ssh-ed25519 AAAA"));
    }
}
