//! The nearest of some names to one that is not among them.

/// The name that is most probably meant, if any is near enough.
pub fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written: Vec<char> = written.chars().take(64).flat_map(char::to_lowercase).collect();
    let bound = (written.len() / 3).max(1);
    names
        .map(|name| (distance(&written, name), name))
        .filter(|(d, _)| *d <= bound)
        .min_by_key(|(d, _)| *d)
        .map(|(_, name)| name)
}

/// The same with another bound: at most so many edits.
pub fn nearest_within<'a>(
    written: &str,
    names: impl Iterator<Item = &'a str>,
    bound: usize,
) -> Option<&'a str> {
    let written: Vec<char> = written.chars().take(64).flat_map(char::to_lowercase).collect();
    names
        .map(|name| (distance(&written, name), name))
        .filter(|(d, _)| *d <= bound)
        .min_by_key(|(d, _)| *d)
        .map(|(_, name)| name)
}

/// Edits that lead from one to the other; a swap of neighbours is one.
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut d = (last[j - 1] + change).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                d = d.min(before[j - 2] + 1);
            }
            row.push(d);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_near_and_other_words_are_not() {
        let names = ["secret", "entrypoint", "resources"];
        assert_eq!(nearest("secrte", names.into_iter()), Some("secret"));
        assert_eq!(nearest("Resource", names.into_iter()), Some("resources"));
        assert_eq!(nearest("banana", names.into_iter()), None);
    }
}
