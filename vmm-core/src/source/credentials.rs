//! Files that look like credentials: never packaged unless the declaration names them. The names are those of rule
//! MVM103.

/// Names of directories that hold credentials, or the history of everything.
const DIRECTORIES: &[&str] =
    &[".git", ".hg", ".svn", ".aws", ".ssh", ".gnupg", ".kube", ".azure", ".docker", ".gcloud"];
/// Names of files.
const FILES: &[&str] = &[
    ".git",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".pypirc",
    ".npmrc",
    ".git-credentials",
    ".vault-token",
    ".dockercfg",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "credentials.json",
    "service-account.json",
    "service_account.json",
    "application_default_credentials.json",
    "kubeconfig",
];
/// Extensions of key stores.
const EXTENSIONS: &[&str] = &["p12", "pfx", "jks", "keystore", "kdbx"];
/// Extensions whose files may be a private key or only a certificate: the content decides.
const MAYBE_KEYS: &[&str] = &["pem", "key", "der"];
/// `.env.example` and the like are meant to be read.
const HARMLESS_ENV: &[&str] = &["example", "sample", "template", "dist"];

/// Whether a directory of this name holds credentials.
pub(super) fn is_directory(name: &str) -> bool {
    DIRECTORIES.contains(&name)
}

/// Whether a file of this name and with this beginning is a credential.
pub(super) fn is_file(name: &str, head: &[u8]) -> bool {
    let extension = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    if FILES.contains(&name) || EXTENSIONS.contains(&extension.as_str()) {
        return true;
    }
    if name == ".env" || name == ".envrc" || name.starts_with(".env.") {
        return !HARMLESS_ENV.contains(&extension.as_str());
    }
    MAYBE_KEYS.contains(&extension.as_str()) && holds_private_key(head)
}

fn holds_private_key(head: &[u8]) -> bool {
    let mark = b"PRIVATE KEY-----";
    head.windows(mark.len()).any(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_certificates_and_examples() {
        let key = format!("-----BEGIN {} KEY-----\n", "PRIVATE");
        for (name, head, expected) in [
            (".env", "", true),
            (".env.local", "", true),
            (".env.example", "", false),
            ("environment.py", "", false),
            ("server.pem", key.as_str(), true),
            ("cacert.pem", "-----BEGIN CERTIFICATE-----", false),
            ("id_ed25519", "", true),
            ("id_ed25519.pub", "", false),
            ("store.P12", "", true),
            ("tool.py", "", false),
        ] {
            assert_eq!(is_file(name, head.as_bytes()), expected, "{name}");
        }
        assert!(is_directory(".git") && !is_directory(".github"));
    }
}
