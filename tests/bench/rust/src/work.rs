//! What a borrower does with a connection, and what that makes of the waits.

use std::hint;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;

/// Keeps a processor busy for a time.
pub fn busy(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        hint::spin_loop();
    }
}

/// The wait of a caller when all take turns: one hold for each round of others.
/// No more connections than there are processors can be held busily at once.
pub fn ideal_wait(arguments: &Arguments) -> f64 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let places = arguments.connections.min(processors);
    let rounds = arguments.threads as f64 / places as f64 - 1.0;
    arguments.hold.as_nanos() as f64 * rounds.max(0.0)
}

/// How long this thread has kept a processor busy.
pub fn processor_time() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a timespec of our own, which the call fills.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    assert_eq!(status, 0, "no processor time");
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
