//! The cases for pools whose callers are tasks of tokio.

use std::future::Future;
use std::hint::black_box;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;
use tokio::task::coop::consume_budget;
use tokio::task::JoinHandle;

use crate::arguments::{Arguments, SPIKE_IDLE};
use crate::connection::{Conn, Options};
use crate::report::{per, Report};
use crate::work::{busy, ideal_wait, processor_time};

pub trait Tasks: Send + Sync + Sized + 'static {
    type Lent<'a>: Deref<Target = Conn> + Send;
    const NOTES: &'static str;

    fn open(options: &Options) -> impl Future<Output = Self> + Send;
    fn get(&self) -> impl Future<Output = Self::Lent<'_>> + Send;
    fn get_within(&self, limit: Duration) -> impl Future<Output = Option<Self::Lent<'_>>> + Send;
}

pub const CASES: &[&str] = &[
    "uncontended",
    "parallel",
    "contended",
    "duel",
    "waiters",
    "spike",
];

const LOST: Duration = Duration::from_secs(5);
const BATCH: u64 = 256;

pub fn run<P: Tasks>(arguments: &Arguments) -> Report {
    let mut report = Report::new(arguments);
    let (runtime, kind) = runtime(arguments);
    report.text("notes", &format!("{kind}; {}", P::NOTES));
    runtime.block_on(async {
        match arguments.case.as_str() {
            "uncontended" => uncontended::<P>(arguments, &mut report).await,
            "waiters" => waiters::<P>(arguments, &mut report).await,
            "spike" => spike::<P>(arguments, &mut report).await,
            _ => workers::<P>(arguments, &mut report).await,
        }
    });
    report
}

/// As their users run them; a worker a task where tasks keep a processor busy.
fn runtime(arguments: &Arguments) -> (Runtime, &'static str) {
    let (mut builder, kind) = match arguments.case.as_str() {
        "uncontended" | "waiters" => (Builder::new_current_thread(), "tokio, current thread"),
        "spike" => (Builder::new_multi_thread(), "tokio, multi-thread"),
        _ => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(arguments.threads);
            (builder, "tokio, multi-thread, a worker for each task")
        }
    };
    let runtime = builder.enable_all().build().expect("a runtime");
    (runtime, kind)
}

/// A pool in which all connections exist already.
async fn filled<P: Tasks>(arguments: &Arguments) -> (P, Options) {
    let count = arguments.connections;
    let options = Options::new(count, count, Duration::ZERO);
    let pool = P::open(&options).await;
    take_all(&pool, count).await;
    (pool, options)
}

/// Fails when not all connections can be had at the same time: some got lost.
async fn take_all<P: Tasks>(pool: &P, count: usize) {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(pool.get_within(LOST).await.expect("a connection got lost"));
    }
    drop(all);
    tokio::task::yield_now().await;
}

async fn verify<P: Tasks>(pool: &P, options: &Options, report: &mut Report) {
    take_all(pool, options.connections).await;
    report.ledger(options);
}

async fn uncontended<P: Tasks>(arguments: &Arguments, report: &mut Report) {
    let (pool, options) = filled::<P>(arguments).await;
    let mut operations = 0;
    let (begin, busy) = (Instant::now(), processor_time());
    while begin.elapsed() < arguments.run_time {
        for _ in 0..BATCH {
            drop(black_box(pool.get().await));
        }
        operations += BATCH;
    }
    report.processor(processor_time() - busy, begin.elapsed(), operations);
    verify(&pool, &options, report).await;
}

/// What one task has done.
#[derive(Default)]
struct Done {
    operations: u64,
    waits: Vec<u64>,
}

/// parallel, contended, duel: tasks that borrow until they are told to stop.
async fn workers<P: Tasks>(arguments: &Arguments, report: &mut Report) {
    let (pool, options) = filled::<P>(arguments).await;
    let contended = arguments.case == "contended";
    let hold = contended.then_some(arguments.hold);
    let pool = Arc::new(pool);
    let stop = Arc::new(AtomicBool::new(false));
    let start = Arc::new(Barrier::new(arguments.threads + 1));
    let workers: Vec<JoinHandle<Done>> = (0..arguments.threads)
        .map(|_| {
            let (pool, stop, start) = (pool.clone(), stop.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                borrow(&*pool, &stop, hold).await
            })
        })
        .collect();
    start.wait().await;
    let begin = Instant::now();
    // The thread that runs no worker: a timer would need a worker that is free.
    std::thread::sleep(arguments.run_time);
    stop.store(true, Ordering::Relaxed);
    let took = begin.elapsed();
    let mut done = Vec::new();
    for worker in workers {
        done.push(worker.await.expect("a worker failed"));
    }
    let each: Vec<u64> = done.iter().map(|one| one.operations).collect();
    report.operations(took, &each);
    if contended {
        let waits = done.into_iter().flat_map(|one| one.waits).collect();
        report.waits(waits, ideal_wait(arguments));
    }
    verify(&*pool, &options, report).await;
}

async fn borrow<P: Tasks>(pool: &P, stop: &AtomicBool, hold: Option<Duration>) -> Done {
    let mut done = Done::default();
    while !stop.load(Ordering::Relaxed) {
        match hold {
            None => drop(black_box(pool.get().await)),
            Some(time) => done.waits.push(borrow_busily(pool, time).await),
        }
        done.operations += 1;
        // Some of the pools never yield, and then a worker has no other task.
        consume_budget().await;
    }
    done
}

/// Returns how long the get took.
async fn borrow_busily<P: Tasks>(pool: &P, time: Duration) -> u64 {
    let begin = Instant::now();
    let lent = pool.get().await;
    let waited = begin.elapsed();
    lent.begin();
    busy(time);
    lent.end();
    drop(lent);
    waited.as_nanos() as u64
}

async fn waiters<P: Tasks>(arguments: &Arguments, report: &mut Report) {
    let (pool, options) = filled::<P>(arguments).await;
    let pool = Arc::new(pool);
    let callers = arguments.callers as u64;

    let held = hold_all(&*pool, options.connections).await;
    let begin = Instant::now();
    let served = crowd(&pool, arguments.callers, None).await;
    let enqueued = begin.elapsed();
    let begin = Instant::now();
    drop(held);
    join(served).await;
    let handed = begin.elapsed();

    tokio::task::yield_now().await;
    let held = hold_all(&*pool, options.connections).await;
    // In vain: standing in line, expiry and wake-up, beyond the limit itself.
    let limit = Duration::from_millis(1);
    let begin = Instant::now();
    join(crowd(&pool, arguments.callers, Some(limit)).await).await;
    let expired = begin.elapsed().saturating_sub(limit);
    drop(held);

    report.set("ns_per_op", per(handed, callers));
    report.set("ops", callers);
    report.set("enqueue_ns", per(enqueued, callers));
    report.set("handoff_ns", per(handed, callers));
    report.set("timeout_ns", per(expired, callers));
    verify(&*pool, &options, report).await;
}

async fn hold_all<P: Tasks>(pool: &P, count: usize) -> Vec<P::Lent<'_>> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(pool.get().await);
    }
    held
}

/// Tasks that each get once, and wait when this returns; with a limit nobody must
/// get anything.
async fn crowd<P: Tasks>(
    pool: &Arc<P>,
    callers: usize,
    limit: Option<Duration>,
) -> Vec<JoinHandle<()>> {
    let begun = Arc::new(AtomicUsize::new(0));
    let crowd = (0..callers)
        .map(|_| {
            let (pool, begun) = (pool.clone(), begun.clone());
            tokio::spawn(async move {
                begun.fetch_add(1, Ordering::Relaxed);
                match limit {
                    None => drop(pool.get().await),
                    Some(limit) => {
                        let lent = pool.get_within(limit).await;
                        assert!(lent.is_none(), "lent while held");
                    }
                }
            })
        })
        .collect();
    while begun.load(Ordering::Relaxed) < callers {
        tokio::task::yield_now().await;
    }
    crowd
}

async fn join(crowd: Vec<JoinHandle<()>>) {
    for caller in crowd {
        caller.await.expect("a caller failed");
    }
}

async fn spike<P: Tasks>(arguments: &Arguments, report: &mut Report) {
    let options = Options::new(arguments.connections, SPIKE_IDLE, arguments.dial);
    let pool = Arc::new(P::open(&options).await);
    fill_together(&pool, SPIKE_IDLE).await;
    let usage = arguments.usage;
    let start = Arc::new(Barrier::new(arguments.callers + 1));
    let callers: Vec<JoinHandle<()>> = (0..arguments.callers)
        .map(|_| {
            let (pool, start) = (pool.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                let lent = pool.get().await;
                lent.begin();
                tokio::time::sleep(usage).await;
                lent.end();
            })
        })
        .collect();
    start.wait().await;
    let begin = Instant::now();
    join(callers).await;
    let took = begin.elapsed();
    settle(&options, arguments.dial * 2).await;
    let calls = arguments.callers as u64;
    report.set("ns_per_op", per(took, calls));
    report.set("ops", calls);
    report.set("total_ms", took.as_secs_f64() * 1e3);
    report.ledger(&options);
    report.set("peak", options.ledger.peak());
}

/// Waits until no dial has come to its end for so long.
async fn settle(options: &Options, time: Duration) {
    let mut before = usize::MAX;
    while before != options.ledger.opened() {
        before = options.ledger.opened();
        tokio::time::sleep(time).await;
    }
}

/// Opens the first connections; dials that take their time go on at once.
async fn fill_together<P: Tasks>(pool: &Arc<P>, count: usize) {
    let together = Arc::new(Barrier::new(count));
    let crowd = (0..count)
        .map(|_| {
            let (pool, together) = (pool.clone(), together.clone());
            tokio::spawn(async move {
                let lent = pool.get().await;
                together.wait().await;
                drop(lent);
            })
        })
        .collect();
    join(crowd).await;
}
