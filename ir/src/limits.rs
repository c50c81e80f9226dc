//! Bounds of the IR, and the forms of its names. The host's own limits tighten them.

/// `cpu_cores`, least and most.
pub const CPU_CORES: (u32, u32) = (1, 64);
/// `memory_mb`, least and most (1 TiB).
pub const MEMORY_MB: (u32, u32) = (64, 1_048_576);
/// `rootfs_size_mb`, least and most (1 TiB).
pub const ROOTFS_SIZE_MB: (u32, u32) = (64, 1_048_576);

/// `^[a-z][a-z0-9-]{0,62}$`: ids of workloads, names of apps and volumes.
pub fn is_id(text: &str) -> bool {
    text.len() <= 63
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// `^[A-Za-z_][A-Za-z0-9_]*$`: names of environment variables.
pub fn is_env_name(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `^sha256:[0-9a-f]{64}$`
pub fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}
