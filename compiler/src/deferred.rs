//! A value made when it is first looked at: a keystroke pays for findings, and for IR only when somebody shows it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

/// Behaves like a `T`.
#[derive(Clone)]
pub struct Deferred<T> {
    cell: OnceLock<T>,
    make: Arc<dyn Fn() -> T + Send + Sync>,
}

impl<T> Deferred<T> {
    /// A value that `make` makes, once.
    pub fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Deferred { cell: OnceLock::new(), make: Arc::new(make) }
    }
}

impl<T> Deref for Deferred<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.cell.get_or_init(|| (self.make)())
    }
}

impl<T> DerefMut for Deferred<T> {
    fn deref_mut(&mut self) -> &mut T {
        let value = match self.cell.take() {
            Some(value) => value,
            None => (self.make)(),
        };
        // The cell was emptied above, so this sets it and the value made here is never dropped unseen.
        let _ = self.cell.set(value);
        match self.cell.get_mut() {
            Some(value) => value,
            None => unreachable!("the cell has just been set, and nobody else holds it"),
        }
    }
}

impl<T: Default + 'static> Default for Deferred<T> {
    fn default() -> Self {
        Deferred::new(T::default)
    }
}

impl<T: fmt::Debug> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Deferred<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<'a, T> IntoIterator for &'a Deferred<Vec<T>> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
