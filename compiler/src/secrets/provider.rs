//! What is known of an issuer of credentials, and how the table of them is written.

use super::checksum::Check;

/// An issuer of credentials.
#[derive(Debug)]
pub struct Provider {
    /// Stable short name, `github`.
    pub id: &'static str,
    /// As a reader knows it, fit to follow "a ": `GitHub token`.
    pub name: &'static str,
    /// Shapes that speak for themselves.
    pub shapes: &'static [&'static str],
    /// A checksum inside the credential.
    pub check: Option<Check>,
    /// Shapes that only count as the value of a name that holds one of `hints`.
    pub hinted: &'static [&'static str],
    /// Parts of a name (`DATADOG_API_KEY`), lower case.
    pub hints: &'static [&'static str],
    /// Where the credential is used, for `hosts=` on `mvm.secret`.
    pub hosts: &'static [&'static str],
}

/// One whose shapes speak for themselves.
pub(super) const fn p(id: &'static str, name: &'static str, shapes: &'static [&'static str]) -> Provider {
    Provider { id, name, shapes, check: None, hinted: &[], hints: &[], hosts: &[] }
}

/// One whose shapes count under a name that tells the issuer.
pub(super) const fn h(
    id: &'static str,
    name: &'static str,
    hints: &'static [&'static str],
    hinted: &'static [&'static str],
) -> Provider {
    Provider { id, name, shapes: &[], check: None, hinted, hints, hosts: &[] }
}

impl Provider {
    pub(super) const fn at(mut self, hosts: &'static [&'static str]) -> Self {
        self.hosts = hosts;
        self
    }
    pub(super) const fn checked(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }
    pub(super) const fn or_named(
        mut self,
        hints: &'static [&'static str],
        hinted: &'static [&'static str],
    ) -> Self {
        self.hints = hints;
        self.hinted = hinted;
        self
    }
}
