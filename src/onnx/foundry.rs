//! The one thread of the process on which sessions are made, and from which the threads that run them start.
//!
//! NOTE a major footgun: flush-to-zero is a mark on a thread. ONNX Runtime sets it on the thread that makes
//! the *first* session of the process, and on no other; a session that runs on an unmarked thread is up to
//! 40 % slower, and our own arithmetic on a marked one loses its denormals. So that first thread is this one,
//! it does nothing else, and threads started from it inherit the mark.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::SessionError;

type Order = Box<dyn FnOnce() + Send>;

static FOUNDRY: OnceLock<Option<Sender<Order>>> = OnceLock::new();

/// Runs `work` on the foundry and waits for its result; orders are worked off one after another.
///
/// # Errors
/// `SessionError::Thread` when the thread cannot be started, or `work` panicked.
pub(super) fn in_foundry<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SessionError> {
    let gone = |message: &str| SessionError::Thread { message: message.to_owned() };
    let foundry = FOUNDRY.get_or_init(start).as_ref().ok_or_else(|| gone("it cannot be started"))?;
    let (reply, result) = channel();
    let order: Order = Box::new(move || {
        // Who ordered may have given up.
        let _ = reply.send(work());
    });
    foundry.send(order).map_err(|_| gone("it ended"))?;
    result.recv().map_err(|_| gone("it failed while a session was made"))
}

fn start() -> Option<Sender<Order>> {
    let (sender, orders) = channel::<Order>();
    let run = move || {
        for order in orders {
            // A panic in foreign code must not take the foundry, and with it every later session, along.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(order));
        }
    };
    thread::Builder::new().name("onnx-foundry".to_owned()).spawn(run).ok()?;
    Some(sender)
}

/// Whether denormals of this thread become zero.
#[must_use]
pub fn flushes_denormals() -> bool {
    let smallest_normal = std::hint::black_box(f32::MIN_POSITIVE);
    std::hint::black_box(smallest_normal * std::hint::black_box(0.5)) == 0.0
}
