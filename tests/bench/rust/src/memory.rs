//! What a pool, a connection and a waiter weigh, by an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::{poll_fn, Future};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::arguments::Arguments;
use crate::blocking::Blocking;
use crate::connection::{Conn, Options};
use crate::report::{rounded, Report};
use crate::tasks::Tasks;

/// Counts the bytes that are in use; only the program that weighs uses it.
pub struct Counting;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        System.alloc(layout)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        System.dealloc(memory, layout)
    }
}

fn in_use() -> f64 {
    IN_USE.load(Ordering::SeqCst) as f64
}

const NOTES: &str = "bytes asked of the allocator; without the objects that are lent";

pub fn blocking<P: Blocking>(arguments: &Arguments) -> Report {
    let mut report = Report::new(arguments);
    report.text(
        "notes",
        &format!("{NOTES}; waiters are threads, not weighed"),
    );
    drop(P::open(&Options::new(1, 0, Duration::ZERO))); // what is made but once
    let begin = in_use();
    let empty = P::open(&Options::new(1, 0, Duration::ZERO));
    let bytes = in_use() - begin;
    drop(empty);
    match arguments.connections {
        0 => report.set("pool_bytes", bytes),
        count => fill_in(&mut report, count, bytes, weigh_blocking::<P>(count)),
    }
    report
}

fn weigh_blocking<P: Blocking>(count: usize) -> f64 {
    let mut all = Vec::with_capacity(count);
    let before = in_use();
    let pool = P::open(&Options::new(count, 0, Duration::ZERO));
    for _ in 0..count {
        all.push(pool.get());
    }
    all.drain(..).for_each(|lent| pool.put(lent));
    in_use() - before
}

/// Of a pool that weighs so much when `empty` and when `full`.
fn fill_in(report: &mut Report, count: usize, empty: f64, full: f64) {
    let share = (full - empty) / count as f64 - size_of::<Conn>() as f64;
    report.set("pool_bytes", full - (count * size_of::<Conn>()) as f64);
    report.set("connection_bytes", rounded(share));
}

pub fn tasks<P: Tasks>(arguments: &Arguments) -> Report {
    let mut report = Report::new(arguments);
    report.text(
        "notes",
        &format!("{NOTES}; a waiter is a future, without a task"),
    );
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let before = in_use();
        let empty = P::open(&Options::new(1, 0, Duration::ZERO)).await;
        let bytes = in_use() - before;
        drop(empty);
        report.set("waiter_bytes", weigh_waiter::<P>(arguments.callers).await);
        match arguments.connections {
            0 => report.set("pool_bytes", bytes),
            count => fill_in(&mut report, count, bytes, weigh_tasks::<P>(count).await),
        }
    });
    report
}

async fn weigh_tasks<P: Tasks>(count: usize) -> f64 {
    let before = in_use();
    let pool = P::open(&Options::new(count, 0, Duration::ZERO)).await;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(pool.get().await);
    }
    drop(all);
    tokio::task::yield_now().await;
    in_use() - before
}

/// Bytes of a get that waits, its future included.
async fn weigh_waiter<P: Tasks>(callers: usize) -> f64 {
    let pool = P::open(&Options::new(1, 0, Duration::ZERO)).await;
    let held = pool.get().await;
    let mut crowd = Vec::with_capacity(callers);
    let before = in_use();
    for _ in 0..callers {
        let mut call = Box::pin(pool.get());
        poll_fn(|context| {
            assert!(call.as_mut().poll(context).is_pending(), "lent while held");
            Poll::Ready(())
        })
        .await;
        crowd.push(call);
    }
    let bytes = in_use() - before;
    drop(crowd);
    drop(held);
    rounded(bytes / callers as f64)
}
