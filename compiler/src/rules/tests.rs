//! The registry is sound, the committed pages are current, and every example does what it says.

use super::*;

#[test]
fn the_registry_is_sound() {
    let ids: Vec<_> = all().iter().map(|r| r.id).collect();
    assert!(ids.windows(2).all(|w| w[0] < w[1]), "sorted and unique: {ids:?}");
    let mut names: Vec<_> = all().iter().map(|r| r.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ids.len(), "names are unique");
    for rule in all() {
        assert!(rule.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", rule.id);
        for text in [rule.summary, rule.rationale, rule.remedy] {
            assert!(!text.is_empty() && !text.contains("  "), "{}: {text}", rule.id);
        }
        assert!(
            !rule.summary.ends_with('.') && rule.rationale.ends_with('.') && rule.remedy.ends_with('.'),
            "{}",
            rule.id
        );
        assert!(find(rule.name).is_some_and(|r| r.id == rule.id) && find(&rule.id.to_lowercase()).is_some());
    }
}

#[test]
fn the_nearest_word_is_found() {
    let words = ["select", "ignore", "exclude"];
    assert_eq!(nearest("selct", words.into_iter()), Some("select"));
    assert_eq!(nearest("ingore", words.into_iter()), Some("ignore"));
    assert_eq!(nearest("zzz", words.into_iter()), None);
}

/// The committed pages: made from the rules, current. `UPDATE=1` writes them.
#[test]
fn the_pages_are_current() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules");
    let update = std::env::var_os("UPDATE").is_some_and(|v| v == "1");
    let mut stale = Vec::new();
    let mut pages: Vec<(String, String)> =
        all().iter().map(|r| (format!("{}.md", r.id), docs::page(r))).collect();
    pages.push(("index.md".to_owned(), docs::index(all())));
    if update {
        std::fs::create_dir_all(&dir).expect("docs/rules can be made");
    }
    for (name, page) in &pages {
        let path = dir.join(name);
        if std::fs::read_to_string(&path).unwrap_or_default() != *page {
            stale.push(name.clone());
            if update {
                std::fs::write(&path, page).expect("a page can be written");
            }
        }
    }
    let committed = std::fs::read_dir(&dir).expect("docs/rules exists").count();
    assert_eq!(committed, pages.len(), "docs/rules holds pages of rules that are gone");
    assert!(update || stale.is_empty(), "stale: {stale:?}; run the test again with UPDATE=1");
}
