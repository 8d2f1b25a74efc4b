//! The cases for pools whose callers are threads.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::arguments::{Arguments, SPIKE_IDLE};
use crate::connection::{Conn, Options};
use crate::program::unable;
use crate::report::{per, Report};
use crate::work::{busy, ideal_wait, processor_time};

pub trait Blocking: Send + Sync + Sized + 'static {
    type Lent;
    const NOTES: &'static str;

    fn open(options: &Options) -> Self;
    fn get(&self) -> Self::Lent;
    fn get_within(&self, limit: Duration) -> Option<Self::Lent>;
    /// None when the pool lends only sockets of its own kind.
    fn conn(lent: &Self::Lent) -> Option<&Conn>;
    fn put(&self, lent: Self::Lent);
}

pub const CASES: &[&str] = &[
    "uncontended",
    "parallel",
    "contended",
    "duel",
    "waiters",
    "spike",
];

/// How long threads are given to begin to wait: none of these pools tells.
const SETTLE: Duration = Duration::from_millis(200);
const STACK: usize = 128 << 10;
const LOST: Duration = Duration::from_secs(5);
const BATCH: u64 = 256;

pub fn run<P: Blocking>(arguments: &Arguments) -> Report {
    let mut report = Report::new(arguments);
    report.text("notes", P::NOTES);
    match arguments.case.as_str() {
        "uncontended" => uncontended::<P>(arguments, &mut report),
        "waiters" => waiters::<P>(arguments, &mut report),
        "spike" => spike::<P>(arguments, &mut report),
        _ => threads::<P>(arguments, &mut report),
    }
    report
}

/// A pool in which all connections exist already.
fn filled<P: Blocking>(arguments: &Arguments) -> (P, Options) {
    let count = arguments.connections;
    let options = Options::new(count, count, Duration::ZERO);
    let pool = P::open(&options);
    take_all(&pool, count);
    (pool, options)
}

/// Fails when not all connections can be had at the same time: some got lost.
fn take_all<P: Blocking>(pool: &P, count: usize) {
    let all: Vec<P::Lent> = (0..count)
        .map(|_| pool.get_within(LOST).expect("a connection got lost"))
        .collect();
    for lent in all {
        pool.put(lent);
    }
}

fn verify<P: Blocking>(pool: &P, options: &Options, report: &mut Report) {
    take_all(pool, options.connections);
    report.ledger(options);
}

fn uncontended<P: Blocking>(arguments: &Arguments, report: &mut Report) {
    let (pool, options) = filled::<P>(arguments);
    let mut operations = 0;
    let (begin, busy) = (Instant::now(), processor_time());
    while begin.elapsed() < arguments.run_time {
        for _ in 0..BATCH {
            pool.put(black_box(pool.get()));
        }
        operations += BATCH;
    }
    report.processor(processor_time() - busy, begin.elapsed(), operations);
    verify(&pool, &options, report);
}

/// What one thread has done.
#[derive(Default)]
struct Done {
    operations: u64,
    waits: Vec<u64>,
}

/// parallel, contended, duel: threads that borrow until they are told to stop.
fn threads<P: Blocking>(arguments: &Arguments, report: &mut Report) {
    let (pool, options) = filled::<P>(arguments);
    let contended = arguments.case == "contended";
    let hold = contended.then_some(arguments.hold);
    let pool = Arc::new(pool);
    let stop = Arc::new(AtomicBool::new(false));
    let start = Arc::new(Barrier::new(arguments.threads + 1));
    let workers: Vec<_> = (0..arguments.threads)
        .map(|_| {
            let (pool, stop, start) = (pool.clone(), stop.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                borrow(&*pool, &stop, hold)
            })
        })
        .collect();
    start.wait();
    let begin = Instant::now();
    thread::sleep(arguments.run_time);
    stop.store(true, Ordering::Relaxed);
    let took = begin.elapsed();
    let done: Vec<Done> = workers
        .into_iter()
        .map(|worker| worker.join().expect("a worker failed"))
        .collect();
    let each: Vec<u64> = done.iter().map(|one| one.operations).collect();
    report.operations(took, &each);
    if contended {
        let waits = done.into_iter().flat_map(|one| one.waits).collect();
        report.waits(waits, ideal_wait(arguments));
    }
    verify(&*pool, &options, report);
}

fn borrow<P: Blocking>(pool: &P, stop: &AtomicBool, hold: Option<Duration>) -> Done {
    let mut done = Done::default();
    while !stop.load(Ordering::Relaxed) {
        match hold {
            None => pool.put(black_box(pool.get())),
            Some(time) => done.waits.push(borrow_busily(pool, time)),
        }
        done.operations += 1;
    }
    done
}

/// Returns how long the get took.
fn borrow_busily<P: Blocking>(pool: &P, time: Duration) -> u64 {
    let begin = Instant::now();
    let lent = pool.get();
    let waited = begin.elapsed();
    let conn = P::conn(&lent);
    conn.inspect(|conn| conn.begin());
    busy(time);
    conn.inspect(|conn| conn.end());
    pool.put(lent);
    waited.as_nanos() as u64
}

fn waiters<P: Blocking>(arguments: &Arguments, report: &mut Report) {
    let (pool, options) = filled::<P>(arguments);
    let pool = Arc::new(pool);
    let served = |limit: Option<Duration>| {
        let held: Vec<P::Lent> = (0..options.connections).map(|_| pool.get()).collect();
        let start = Arc::new(Barrier::new(arguments.callers + 1));
        let crowd = crowd(&pool, arguments.callers, &start, limit);
        start.wait();
        let mut begin = Instant::now();
        if limit.is_none() {
            thread::sleep(SETTLE);
            begin = Instant::now();
            held.into_iter().for_each(|lent| pool.put(lent));
            join(crowd);
            return begin.elapsed();
        }
        join(crowd);
        let took = begin.elapsed();
        held.into_iter().for_each(|lent| pool.put(lent));
        took
    };
    let callers = arguments.callers as u64;
    let handed = served(None);
    // In vain: standing in line, expiry and wake-up, beyond the limit itself.
    let limit = Duration::from_millis(1);
    let expired = served(Some(limit)).saturating_sub(limit);
    report.set("ns_per_op", per(handed, callers));
    report.set("ops", callers);
    report.set("handoff_ns", per(handed, callers));
    report.set("timeout_ns", per(expired, callers));
    verify(&*pool, &options, report);
}

/// Threads that each get once; with a limit nobody must get anything.
fn crowd<P: Blocking>(
    pool: &Arc<P>,
    callers: usize,
    start: &Arc<Barrier>,
    limit: Option<Duration>,
) -> Vec<thread::JoinHandle<()>> {
    let call = move |pool: Arc<P>, start: Arc<Barrier>| {
        start.wait();
        match limit {
            None => pool.put(pool.get()),
            Some(limit) => assert!(pool.get_within(limit).is_none(), "lent while held"),
        }
    };
    (0..callers)
        .map(|_| {
            let (pool, start) = (pool.clone(), start.clone());
            thread::Builder::new()
                .stack_size(STACK)
                .spawn(move || call(pool, start))
                .unwrap_or_else(|reason| unable(&reason.to_string()))
        })
        .collect()
}

fn join(crowd: Vec<thread::JoinHandle<()>>) {
    for caller in crowd {
        caller.join().expect("a caller failed");
    }
}

fn spike<P: Blocking>(arguments: &Arguments, report: &mut Report) {
    let options = Options::new(arguments.connections, SPIKE_IDLE, arguments.dial);
    let pool = Arc::new(P::open(&options));
    take_all(&*pool, SPIKE_IDLE);
    let usage = arguments.usage;
    let start = Arc::new(Barrier::new(arguments.callers + 1));
    let callers: Vec<_> = (0..arguments.callers)
        .map(|_| {
            let (pool, start) = (pool.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                let lent = pool.get();
                P::conn(&lent).inspect(|conn| conn.begin());
                thread::sleep(usage);
                P::conn(&lent).inspect(|conn| conn.end());
                pool.put(lent);
            })
        })
        .collect();
    start.wait();
    let begin = Instant::now();
    join(callers);
    let took = begin.elapsed();
    settle(&options, arguments.dial * 2);
    let calls = arguments.callers as u64;
    report.set("ns_per_op", per(took, calls));
    report.set("ops", calls);
    report.set("total_ms", took.as_secs_f64() * 1e3);
    report.ledger(&options);
    report.set("peak", options.ledger.peak());
}

/// Waits until no dial has come to its end for so long.
fn settle(options: &Options, time: Duration) {
    let mut before = usize::MAX;
    while before != options.ledger.opened() {
        before = options.ledger.opened();
        thread::sleep(time);
    }
}
