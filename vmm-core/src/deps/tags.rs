//! Which wheel of a release runs in the guest (PEP 425, PEP 600), by the names of the files.

use crate::image::pip::Platform;

/// The parts of a wheel's file name that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tags<'a> {
    python: &'a str,
    abi: &'a str,
    platform: &'a str,
}

/// How well a wheel fits; lower is better.
type Fit = (u8, u32, usize);

/// The best wheel for the guest among file names: its position.
pub(super) fn best<'a>(names: impl Iterator<Item = &'a str>, platform: &Platform) -> Option<usize> {
    let platforms = platform.tags();
    let fits =
        names.enumerate().filter_map(|(at, name)| Some((fit(&tags(name)?, platform, &platforms)?, at)));
    fits.min().map(|(_, at)| at)
}

/// `name-version(-build)?-python-abi-platform.whl`
fn tags(name: &str) -> Option<Tags<'_>> {
    let stem = name.strip_suffix(".whl")?;
    let mut parts = stem.rsplit('-');
    let (platform, abi, python) = (parts.next()?, parts.next()?, parts.next()?);
    matches!(parts.count(), 2 | 3).then_some(Tags { python, abi, platform })
}

fn fit(tags: &Tags<'_>, platform: &Platform, platforms: &[String]) -> Option<Fit> {
    let place = |tag: &str| match tag {
        "any" => Some(platforms.len()),
        tag => platforms.iter().position(|p| p == tag),
    };
    let place = tags.platform.split('.').filter_map(place).min()?;
    let python = platform.python?;
    let pairs = tags.python.split('.').flat_map(|p| tags.abi.split('.').map(move |a| (p, a)));
    let (class, distance) = pairs.filter_map(|(p, abi)| interpreter(p, abi, python)).min()?;
    Some((class, distance, place))
}

/// How a pair of interpreter and ABI fits: built for this very version, for the stable ABI of an older one, or
/// for any Python of the major version.
fn interpreter(tag: &str, abi: &str, (major, minor): (u32, u32)) -> Option<(u8, u32)> {
    let split = tag.find(|c: char| c.is_ascii_digit())?;
    let (kind, digits) = tag.split_at(split);
    let older = match digits.split_at_checked(1)? {
        (m, "") if m == major.to_string() => None,
        (m, rest) if m == major.to_string() => Some(minor.checked_sub(rest.parse().ok()?)?),
        _ => return None,
    };
    match (kind, abi, older) {
        ("cp", abi, Some(0)) if abi == format!("cp{major}{minor}") => Some((0, 0)),
        ("cp", "abi3", Some(older)) => Some((1, older)),
        ("cp", "none", Some(0)) => Some((2, 0)),
        ("py", "none", older) => Some((3, older.unwrap_or(u32::MAX))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str]) -> Option<String> {
        let platform = Platform { python: Some((3, 11)), glibc: (2, 36) };
        best(names.iter().copied(), &platform).map(|at| names[at].to_owned())
    }

    fn name(tags: &str) -> String {
        format!("x-1.0-{}.whl", tags.replace("ARCH", std::env::consts::ARCH))
    }

    #[test]
    fn the_closest_build_wins() {
        let order = [
            "cp311-cp311-manylinux_2_28_ARCH",
            "cp311-cp311-manylinux_2_17_ARCH.manylinux2014_ARCH",
            "cp39-abi3-manylinux_2_17_ARCH.manylinux2014_ARCH",
            "cp36-abi3-manylinux2014_ARCH",
            "py3-none-manylinux2014_ARCH",
            "py2.py3-none-any",
        ];
        let names: Vec<String> = order.iter().map(|t| name(t)).collect();
        for from in 0..names.len() {
            // Whatever order the lock lists them in.
            let mut left: Vec<&str> = names[from..].iter().map(String::as_str).collect();
            left.reverse();
            assert_eq!(chosen(&left).as_deref(), Some(names[from].as_str()));
        }
    }

    #[test]
    fn what_does_not_run_in_the_guest_is_never_chosen() {
        for tags in [
            "cp312-cp312-manylinux2014_ARCH",
            "cp312-abi3-manylinux2014_ARCH",
            "cp311-cp311-win_amd64",
            "cp311-cp311-macosx_11_0_arm64",
            "cp311-cp311-musllinux_1_1_ARCH",
            "cp311-cp311-manylinux_2_39_ARCH",
            "cp311-cp311t-manylinux2014_ARCH",
            "pp311-pypy311_pp73-manylinux2014_ARCH",
            "py2-none-any",
            "cp311-cp311-manylinux2014_riscv64",
        ] {
            assert_eq!(chosen(&[&name(tags)]), None, "{tags}");
        }
        assert_eq!(chosen(&["x-1.0.tar.gz", "nonsense.whl", "a-b-c-d-e-f-g.whl"]), None);
        assert!(chosen(&["x-1.0-1-py3-none-any.whl"]).is_some(), "a build number may stand between");
    }
}
