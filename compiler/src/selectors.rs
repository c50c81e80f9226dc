//! How rules are named in options, project files and comments: an id, the beginning of some, a range, a rule's name.

use crate::finding::Severity;
use crate::rules;

/// Reads a selector as in `--select`: an id, the beginning of one, a rule's name or `ALL`; gives the (beginning of an)
/// id, or says what is wrong in one sentence.
pub fn parse_selector(text: &str) -> Result<String, String> {
    let upper = text.trim().to_ascii_uppercase();
    if upper == "ALL" {
        return Ok("MVM".to_owned());
    }
    if upper.starts_with("MVM") && rules::all().iter().any(|r| r.id.starts_with(&upper)) {
        return Ok(upper);
    }
    if let Some(rule) = rules::all().iter().find(|r| r.name == text.trim()) {
        return Ok(rule.id.to_owned());
    }
    let names = rules::all().iter().flat_map(|r| [r.id, r.name]);
    let near = rules::nearest(if upper.starts_with("MVM") { &upper } else { text.trim() }, names);
    let hint =
        near.map_or_else(|| "`mvm-lsp rules` lists them".to_owned(), |n| format!("did you mean `{n}`?"));
    Err(format!("there is no rule `{}`; {hint}", text.trim()))
}

/// The same, and ranges: `MVM501-MVM505` or `MVM501-505` is every rule from the first to the last.
pub fn parse_selectors(text: &str) -> Result<Vec<String>, String> {
    let upper = text.trim().to_ascii_uppercase();
    let Some((first, last)) = upper.split_once('-').filter(|_| upper.starts_with("MVM")) else {
        return parse_selector(text).map(|one| vec![one]);
    };
    let (first, last) = (first.trim(), last.trim());
    let last = if last.starts_with("MVM") { last.to_owned() } else { format!("MVM{last}") };
    // The end may be the beginning of ids, too: `MVM1-MVM3` holds MVM303.
    let within = |id: &str| id >= first && (id <= last.as_str() || id.starts_with(&last));
    let ids: Vec<String> =
        rules::all().iter().map(|r| r.id).filter(|id| within(id)).map(str::to_owned).collect();
    let number = |text: &str| text.len() > 3 && text[3..].bytes().all(|b| b.is_ascii_digit());
    if ids.is_empty() || !number(first) || !number(&last) {
        return Err(format!("there is no rule in `{}`; a range is written `MVM501-MVM505`", text.trim()));
    }
    Ok(ids)
}

/// Reads a severity; `off` is `None`.
pub fn parse_severity(text: &str) -> Result<Option<Severity>, String> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "off" | "none" => None,
        "hint" => Some(Severity::Hint),
        "info" | "information" => Some(Severity::Information),
        "warn" | "warning" => Some(Severity::Warning),
        "error" => Some(Severity::Error),
        _ => {
            return Err(format!(
                "there is no severity `{text}`; use error, warning, information, hint or off"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_beginnings_name_what_lies_in_them() {
        let of = |text: &str| parse_selectors(text).unwrap();
        assert_eq!(of("mvm501-MVM503"), ["MVM501", "MVM502", "MVM503"]);
        assert_eq!(of("MVM501-502"), ["MVM501", "MVM502"]);
        assert_eq!(of(" MVM302 - MVM303 "), ["MVM302", "MVM303"]);
        assert!(of("MVM7-MVM8").iter().any(|id| id == "MVM705" || id == "MVM804"));
        assert_eq!(of("MVM5"), ["MVM5"]);
        assert_eq!(of("unpinned-image"), ["MVM201"], "a name holds dashes, too");
        for wrong in ["MVM505-MVM501", "MVM-", "MVM5-x", "-", "MVM998-MVM999", "mvm-é", ""] {
            assert!(parse_selectors(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_rule_is_answered_with_the_nearest() {
        assert!(parse_selectors("MVM5O1").unwrap_err().contains("did you mean `MVM501`?"));
        assert!(parse_selectors("unpined-image").unwrap_err().contains("did you mean `unpinned-image`?"));
    }
}
