//! The refusals, and (behind `MVM_NIX_TESTS=1`) the real Nix with a small package set of local derivations in a
//! store of its own.

use super::*;

#[test]
fn attributes_are_nothing_else() {
    for good in ["python312", "nodejs_22", "python3Packages.requests", "gtk+", "a'b", "_7zz"] {
        assert!(check_attribute(good).is_ok(), "{good}");
    }
    for bad in ["", "-A", "a b", "a;b", "a..b", "--option", "\"x\"", "a/b", "(import x)", &"a".repeat(300)] {
        assert!(check_attribute(bad).is_err(), "{bad}");
    }
}

#[test]
fn store_names_are_one_part_of_a_path() {
    let hash = "0".repeat(32);
    assert!(is_store_name(&format!("{hash}-python3-3.11.9")));
    for bad in [format!("{hash}-a/b"), "..".to_owned(), hash[1..].to_owned() + "-a", format!("{hash}-a b")] {
        assert!(!is_store_name(&bad), "{bad}");
    }
    assert_eq!(version_of(&format!("{hash}-python3-3.11.9")), "3.11.9");
    assert_eq!(version_of(&format!("{hash}-nss-cacert-3.98")), "3.98");
    assert_eq!(version_of(&format!("{hash}-source")), "");
}

#[test]
fn a_lock_leads_nowhere_but_into_the_store() {
    let package = |name: &str| LockedPackage {
        name: name.to_owned(),
        version: String::new(),
        sha256: "ab".repeat(32),
        origin: None,
        declared: None,
        substituted_for: None,
    };
    let store = Path::new("/nix/store");
    assert!(check_locked(&package(&format!("{}-a", "0".repeat(32))), store).is_ok());
    assert!(check_locked(&package("../../etc"), store).is_err());
    assert!(check_locked(&package(&format!("{}-a", "0".repeat(32))), Path::new("/other")).is_err());
}

const PACKAGES: &str = r##"{ ... }:
let
  make = name: script: derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" script ];
    PATH = "/usr/bin:/bin";
  };
in rec {
  library = make "library-1.0" "mkdir -p $out/lib; echo data > $out/lib/data";
  python311 = make "python3-3.11.9" ''
    mkdir -p $out/bin
    echo "#!/bin/sh" > $out/bin/python3.11
    echo "cat ${library}/lib/data" >> $out/bin/python3.11
    chmod +x $out/bin/python3.11
    ln -s python3.11 $out/bin/python3
  '';
  python3 = python311;
  busybox = make "busybox-1.36" "mkdir -p $out/bin; echo b > $out/bin/busybox; ln -s busybox $out/bin/sh; ln -s busybox $out/bin/env";
  cacert = make "nss-cacert-3.98" "mkdir -p $out/etc/ssl/certs; echo certificate > $out/etc/ssl/certs/ca-bundle.crt";
  zlib = make "zlib-1.3" "mkdir -p $out/lib; echo z > $out/lib/libz.so.1";
  broken = make "broken-1" "echo it broke >&2; exit 1";
}
"##;

struct Fixture {
    dir: tempfile::TempDir,
    nix: Nix,
}

fn fixture() -> Option<Fixture> {
    if std::env::var_os("MVM_NIX_TESTS").is_none() {
        eprintln!("not run: needs the real Nix, set MVM_NIX_TESTS=1");
        return None;
    }
    assert!(Nix::available(), "MVM_NIX_TESTS is set, but Nix is not installed");
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    std::fs::create_dir_all(root.join("nixpkgs")).unwrap();
    std::fs::create_dir_all(root.join("cache")).unwrap();
    std::fs::write(root.join("nixpkgs/default.nix"), PACKAGES).unwrap();
    std::fs::write(root.join("nixpkgs/.version"), "24.05\n").unwrap();
    let at = |name: &str| root.join(name).display().to_string();
    let env = [
        ("NIX_PATH", format!("nixpkgs={}", at("nixpkgs"))),
        ("NIX_CONFIG", "sandbox = false\nbuild-users-group =\nsubstituters =\n".to_owned()),
        ("NIX_STORE_DIR", at("store")),
        ("NIX_STATE_DIR", at("state")),
        ("NIX_LOG_DIR", at("log")),
        ("NIX_CONF_DIR", at("conf")),
        ("NIX_REMOTE", "local".to_owned()),
    ];
    let env = env.map(|(key, value)| (key.to_owned(), value)).to_vec();
    let nix = Nix { env, ..Nix::open(&Home::at(root), &ResolveOptions::default()) };
    Some(Fixture { dir, nix })
}

impl Drop for Fixture {
    /// The store is read-only even to its owner.
    fn drop(&mut self) {
        let _ = std::process::Command::new("chmod").arg("-R").arg("u+w").arg(self.dir.path()).status();
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[test]
fn packages_of_a_real_nix_become_a_tree() {
    let Some(Fixture { nix, .. }) = &fixture() else { return };
    let ctx = Context::silent();
    let options = ResolveOptions::default();
    let lock = nix.resolve(&names(&["python311"]), &options, &ctx).unwrap();
    assert_eq!(lock.release, "nixpkgs-24.05");
    assert_eq!(lock.packages.len(), 5, "{lock:?}");
    let python = lock.packages.iter().find(|p| p.declared.is_some()).unwrap();
    assert_eq!(python.version, "3.11.9");

    let image = nix.assemble(&lock, &ctx).unwrap();
    let program = &image.interpreters["python"];
    assert!(program.ends_with("-python3-3.11.9/bin/python3.11"), "{program}");
    let script = base::read_text(&image.tree, program, 1000).unwrap();
    let data = script.split_whitespace().last().unwrap();
    assert_eq!(base::read_text(&image.tree, data, 10).as_deref(), Some("data\n"), "the closure is whole");
    assert_eq!(base::read_text(&image.tree, base::CA_BUNDLE, 20).as_deref(), Some("certificate\n"));
    assert!(image.path.starts_with(program.strip_suffix("/python3.11").unwrap()), "{}", image.path);
    let zlib = format!("{}/libz.so.1", image.env["LD_LIBRARY_PATH"]);
    assert_eq!(base::read_text(&image.tree, &zlib, 9).as_deref(), Some("z\n"));
    for path in ["/bin/sh", "/usr/bin/env", "/etc/passwd"] {
        assert!(image.tree.follow(path).is_some(), "{path}");
    }
    // Offline, out of the lock and the store.
    let offline = Nix { offline: true, ..nix.clone() };
    assert_eq!(offline.assemble(&lock, &ctx).unwrap().tree.totals(), image.tree.totals());

    let mut damaged = lock.clone();
    damaged.packages[0].sha256 = "00".repeat(32);
    assert!(nix.assemble(&damaged, &ctx).unwrap_err().to_string().contains("is locked"));
}

#[test]
fn what_nix_has_not_is_refused_or_substituted() {
    let Some(Fixture { nix, .. }) = &fixture() else { return };
    let ctx = Context::silent();
    let options = ResolveOptions::default();
    let error = nix.resolve(&names(&["python312"]), &options, &ctx).unwrap_err();
    assert!(
        error.to_string().contains("python312") && error.remedy().unwrap().contains("`python3`"),
        "{error}"
    );
    let substitute = ResolveOptions { allow_substitute: true, ..options };
    let lock = nix.resolve(&names(&["python312"]), &substitute, &ctx).unwrap();
    assert!(lock.packages.iter().any(|p| p.substituted_for.as_deref() == Some("python312")), "{lock:?}");
    let error = nix.resolve(&names(&["broken"]), &substitute, &ctx).unwrap_err();
    assert!(error.to_string().contains("broken"), "{error}");
    let nowhere = Nix { env: vec![("NIX_PATH".to_owned(), String::new())], ..nix.clone() };
    assert_eq!(nowhere.resolve(&names(&["a"]), &options, &ctx).unwrap_err().kind(), ErrorKind::Environment);
}
