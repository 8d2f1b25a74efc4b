//! One sample as one line of JSON.

use std::fmt::Display;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::connection::Options;

pub struct Report(Vec<(&'static str, String)>);

impl Report {
    pub fn new(arguments: &Arguments) -> Report {
        Report(vec![
            ("case", quoted(&arguments.case)),
            ("subject", quoted(&arguments.subject)),
            ("language", quoted("rust")),
        ])
    }

    pub fn set(&mut self, name: &'static str, value: impl Display) {
        self.0.push((name, value.to_string()));
    }

    pub fn text(&mut self, name: &'static str, value: &str) {
        self.0.push((name, quoted(value)));
    }

    /// A case of one thread, by the time that its processor was busy with it.
    pub fn processor(&mut self, busy: Duration, took: Duration, operations: u64) {
        self.set("ns_per_op", per(busy, operations));
        self.set("wall_ns_per_op", per(took, operations));
        self.text("clock", "cpu");
        self.set("ops", operations);
    }

    /// What the other cases that repeat an operation have in common.
    pub fn operations(&mut self, took: Duration, each: &[u64]) {
        let all: u64 = each.iter().sum();
        self.set("ns_per_op", per(took, all));
        self.set("ops", all);
        if each.len() > 1 {
            self.set("ops_per_thread", list(each));
            let least = each.iter().min().copied().unwrap_or(0);
            let most = each.iter().max().copied().unwrap_or(0);
            self.set("fairness", rounded(least as f64 / most.max(1) as f64));
        }
    }

    /// What the ledger says of a pool that was to open so many connections.
    pub fn ledger(&mut self, options: &Options) {
        let opened = options.ledger.opened();
        self.set("opened", opened);
        self.set("over_limit", opened.saturating_sub(options.connections));
        self.set("lent_twice", options.ledger.lent_twice());
    }

    /// Percentiles of how long a get took, in nanoseconds.
    pub fn waits(&mut self, mut waits: Vec<u64>, ideal: f64) {
        waits.sort_unstable();
        let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
        if !waits.is_empty() {
            self.set("p50_wait_ns", at(0.50));
            self.set("p99_wait_ns", at(0.99));
            self.set("max_wait_ns", at(1.0));
        }
        self.set("ideal_wait_ns", rounded(ideal));
    }

    pub fn print(&self) {
        let fields: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("\"{name}\": {value}"))
            .collect();
        println!("{{{}}}", fields.join(", "));
    }
}

/// Nanoseconds an operation.
pub fn per(took: Duration, operations: u64) -> f64 {
    rounded(took.as_nanos() as f64 / operations.max(1) as f64)
}

pub fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn list(values: &[u64]) -> String {
    let words: Vec<String> = values.iter().map(u64::to_string).collect();
    format!("[{}]", words.join(", "))
}
