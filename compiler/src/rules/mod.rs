//! The checks. A rule is one file: what it looks at, why it matters, how to fix it, its examples.
