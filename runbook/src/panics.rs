//! Where code of ours has panicked. The shipped executables are stripped of symbols, so that a
//! stack has no names; file and line of the panic are in them.

use std::{cell::RefCell, panic};

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on a panic is remembered for [`place`], and is a line of the log like any other.
pub fn remember() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
        // Whoever catches it says it as an error; a task of its own has nobody who does.
        tracing::warn!(place, "panicked: {}", panic.payload_as_str().unwrap_or_default());
        PLACE.with_borrow_mut(|remembered| *remembered = place);
    }));
}

/// Where the last panic of this thread was: a caught one, for whoever has caught it.
pub fn place() -> Option<String> {
    PLACE.take()
}
