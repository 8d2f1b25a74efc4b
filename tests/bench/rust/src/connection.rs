//! The connection that every pool lends, and the ledger that keeps count of them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// Counts what was opened and lent, whatever the pool itself says.
#[derive(Default)]
pub struct Ledger {
    opened: AtomicUsize,
    lent: AtomicUsize,
    peak: AtomicUsize,
    lent_twice: AtomicUsize,
}

impl Ledger {
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }

    pub fn lent_twice(&self) -> usize {
        self.lent_twice.load(Ordering::SeqCst)
    }

    pub fn count_opened(&self) {
        self.opened.fetch_add(1, Ordering::SeqCst);
    }
}

/// A connection that does nothing.
pub struct Conn {
    ledger: Arc<Ledger>,
    held: AtomicBool,
}

impl Conn {
    pub fn open(ledger: &Arc<Ledger>) -> Conn {
        ledger.count_opened();
        Conn {
            ledger: ledger.clone(),
            held: AtomicBool::new(false),
        }
    }

    /// From here to end() nobody else may have this connection.
    pub fn begin(&self) {
        if self.held.swap(true, Ordering::SeqCst) {
            self.ledger.lent_twice.fetch_add(1, Ordering::SeqCst);
        }
        let now = self.ledger.lent.fetch_add(1, Ordering::SeqCst) + 1;
        self.ledger.peak.fetch_max(now, Ordering::SeqCst);
    }

    pub fn end(&self) {
        self.ledger.lent.fetch_sub(1, Ordering::SeqCst);
        self.held.store(false, Ordering::SeqCst);
    }
}

/// How a pool is to be opened.
#[derive(Clone)]
pub struct Options {
    pub ledger: Arc<Ledger>,
    pub connections: usize,
    /// Idle connections that the pool keeps, where it can be told to.
    pub idle: usize,
    pub dial: Duration,
}

impl Options {
    pub fn new(connections: usize, idle: usize, dial: Duration) -> Options {
        Options {
            ledger: Arc::default(),
            connections,
            idle,
            dial,
        }
    }
}
