//! What is made when it is first used.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, LazyLock},
};

/// A client of AWS: each reads the rules of its endpoints when it is made, and most functions use
/// one or two of the five.
#[derive(Clone)]
pub struct Lazy<T>(Arc<LazyLock<T, Box<dyn FnOnce() -> T + Send>>>);

impl<T> Lazy<T> {
    pub fn new(make: impl FnOnce() -> T + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }
}

impl<T> Deref for Lazy<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Lazy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::any::type_name::<T>())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn it_is_made_once_and_only_when_it_is_used() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let lazy = Lazy::new(|| MADE.fetch_add(1, Ordering::Relaxed).to_string());
        let other = lazy.clone();
        assert_eq!(MADE.load(Ordering::Relaxed), 0);
        assert_eq!((lazy.len(), other.as_str(), MADE.load(Ordering::Relaxed)), (1, "0", 1));
    }
}
