//! The binary form of what the cache keeps. Reading believes nothing: every length is checked, and what does not fit
//! is `None`.

use mvm_compiler::{Applicability, Edit, Finding, Fix, Related, Severity, TextRange, rules};

/// Appends values.
#[derive(Default)]
pub struct Writer {
    /// What was written.
    pub bytes: Vec<u8>,
}

impl Writer {
    /// A number.
    pub fn u32(&mut self, n: u32) {
        self.bytes.extend_from_slice(&n.to_le_bytes());
    }

    /// A larger number.
    pub fn u64(&mut self, n: u64) {
        self.bytes.extend_from_slice(&n.to_le_bytes());
    }

    /// 128 bits.
    pub fn u128(&mut self, n: u128) {
        self.bytes.extend_from_slice(&n.to_le_bytes());
    }

    /// Some bytes, their length first.
    pub fn block(&mut self, bytes: &[u8]) {
        self.size(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// A length.
    pub fn size(&mut self, n: usize) {
        self.u32(u32::try_from(n).unwrap_or(u32::MAX));
    }

    /// The findings of a file.
    pub fn findings(&mut self, findings: &[Finding]) {
        self.size(findings.len());
        for finding in findings {
            self.block(finding.rule.as_bytes());
            self.u32(finding.severity as u32);
            self.block(finding.message.as_bytes());
            self.range(&finding.range);
            self.size(finding.related.len());
            for related in &finding.related {
                self.range(&related.range);
                self.block(related.message.as_bytes());
            }
            self.size(finding.fixes.len());
            for fix in &finding.fixes {
                self.block(fix.title.as_bytes());
                self.u32(u32::from(fix.applicability == Applicability::Safe));
                self.size(fix.edits.len());
                for edit in &fix.edits {
                    self.range(&edit.range);
                    self.block(edit.text.as_bytes());
                }
            }
        }
    }

    fn range(&mut self, range: &TextRange) {
        self.size(range.start);
        self.size(range.end);
    }
}

/// Takes values from the front.
pub struct Reader<'a> {
    /// What is left.
    pub bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(n)?;
        self.bytes = rest;
        Some(head)
    }

    /// So many bytes.
    pub fn skip(&mut self, n: usize) -> Option<&'a [u8]> {
        self.take(n)
    }

    /// A number.
    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A larger number.
    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// 128 bits.
    pub fn u128(&mut self) -> Option<u128> {
        Some(u128::from_le_bytes(self.take(16)?.try_into().ok()?))
    }

    /// Some bytes.
    pub fn block(&mut self) -> Option<&'a [u8]> {
        let n = self.u32()? as usize;
        self.take(n)
    }

    /// How many values of at least `least` bytes follow.
    pub fn count(&mut self, least: usize) -> Option<usize> {
        let n = self.u32()? as usize;
        (n.checked_mul(least)? <= self.bytes.len()).then_some(n)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.block()?.to_vec()).ok()
    }

    fn range(&mut self) -> Option<TextRange> {
        Some(self.u32()? as usize..self.u32()? as usize)
    }

    /// The findings of a file.
    pub fn findings(&mut self) -> Option<Vec<Finding>> {
        let n = self.count(28)?;
        (0..n).map(|_| self.finding()).collect()
    }

    fn finding(&mut self) -> Option<Finding> {
        let rule = rules::find(std::str::from_utf8(self.block()?).ok()?)?.id;
        let severity = self.u32()?;
        let all = [Severity::Hint, Severity::Information, Severity::Warning, Severity::Error];
        let severity = all.into_iter().find(|s| *s as u32 == severity)?;
        let (message, range) = (self.text()?, self.range()?);
        let n = self.count(12)?;
        let related = (0..n).map(|_| Some(Related { range: self.range()?, message: self.text()? }));
        let related = related.collect::<Option<_>>()?;
        let n = self.count(12)?;
        let fixes = (0..n).map(|_| self.fix()).collect::<Option<_>>()?;
        Some(Finding { rule, severity, message, range, related, fixes })
    }

    fn fix(&mut self) -> Option<Fix> {
        let title = self.text()?;
        let applicability = if self.u32()? == 1 { Applicability::Safe } else { Applicability::Offer };
        let n = self.count(12)?;
        let edits = (0..n).map(|_| Some(Edit { range: self.range()?, text: self.text()? }));
        Some(Fix { title, applicability, edits: edits.collect::<Option<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        let finding = Finding::error("MVM101", 3..9, "é").related(0..1, "here").fix(
            "Use \".\"",
            Applicability::Safe,
            vec![(3..4, "x".to_owned()), (5..5, String::new())],
        );
        vec![finding, Finding::hint("MVM304", 0..0, "")]
    }

    #[test]
    fn findings_come_back_as_they_were() {
        let mut writer = Writer::default();
        writer.findings(&findings());
        let mut reader = Reader { bytes: &writer.bytes };
        // MVM304 may not exist yet: then the whole is refused rather than half believed.
        match rules::find("MVM304") {
            Some(_) => assert_eq!(reader.findings(), Some(findings())),
            None => assert_eq!(reader.findings(), None),
        }
        let mut writer = Writer::default();
        writer.findings(&findings()[..1]);
        assert_eq!(Reader { bytes: &writer.bytes }.findings(), Some(findings()[..1].to_vec()));
    }

    #[test]
    fn a_damaged_text_is_refused_and_never_trusted_with_memory() {
        let mut writer = Writer::default();
        writer.findings(&findings()[..1]);
        for end in 0..writer.bytes.len() {
            assert_eq!(Reader { bytes: &writer.bytes[..end] }.findings(), None, "{end}");
        }
        assert_eq!(Reader { bytes: &[0xff; 64] }.findings(), None);
    }
}
