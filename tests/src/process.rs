//! Processes of this host, as far as a test must tell which are its own.

/// A process of this host.
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    start: u64,
}

impl Process {
    /// All but those that have ended and only wait to be collected.
    pub(crate) fn all() -> Vec<Process> {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|e| Self::of(e.file_name().to_str()?.parse().ok()?)).collect()
    }

    fn of(pid: u32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses and may hold anything; the fields are counted behind it.
        let mut fields = stat.rsplit(')').next()?.split_whitespace();
        let zombie = fields.next()? == "Z";
        let parent = fields.next()?.parse().ok()?;
        let start = fields.nth(17)?.parse().ok()?;
        (!zombie).then_some(Process { pid, parent, start })
    }

    pub(crate) fn identity(&self) -> (u32, u64) {
        (self.pid, self.start)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(format!("/proc/{}/{name}", self.pid)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    }

    pub(crate) fn mentions(&self, mark: &str) -> bool {
        self.pid != std::process::id()
            && (self.read("environ").contains(mark) || self.read("cmdline").contains(mark))
    }
}
