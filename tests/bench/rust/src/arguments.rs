//! What a sample is asked for.

use std::str::FromStr;
use std::time::Duration;

/// Connections that exist before the callers of a spike come.
pub const SPIKE_IDLE: usize = 5;

pub struct Arguments {
    pub list: bool,
    pub case: String,
    pub subject: String,
    pub run_time: Duration,
    pub threads: usize,
    pub connections: usize,
    pub callers: usize,
    pub hold: Duration,
    pub dial: Duration,
    pub usage: Duration,
}

/// Threads, connections and callers of each case when nobody says otherwise.
fn defaults(case: &str) -> (usize, usize, usize) {
    match case {
        "parallel" => (2, 2, 0),
        "contended" => (16, 4, 0),
        "duel" => (2, 1, 0),
        "waiters" => (1, 1, 100),
        "spike" => (1, 50, 50),
        "memory" => (1, 1000, 100),
        _ => (1, 8, 0),
    }
}

impl Arguments {
    /// Reads the command line; an error is a sentence for its user.
    pub fn read() -> Result<Self, String> {
        let given: Vec<String> = std::env::args().skip(1).collect();
        let case = value(&given, "--case")?.unwrap_or_default().to_string();
        let (threads, connections, callers) = defaults(&case);
        Ok(Arguments {
            list: given.iter().any(|word| word == "--list"),
            subject: value(&given, "--subject")?.unwrap_or_default().to_string(),
            run_time: Duration::from_secs_f64(number(&given, "--seconds", 0.3)?),
            threads: number(&given, "--threads", threads)?.max(1),
            connections: number(&given, "--connections", connections)?,
            callers: number(&given, "--callers", callers)?.max(1),
            hold: Duration::from_micros(number(&given, "--hold-us", 20)?),
            dial: Duration::from_millis(number(&given, "--dial-ms", 150)?),
            usage: Duration::from_millis(number(&given, "--use-ms", 2)?),
            case,
        })
    }
}

fn value<'a>(given: &'a [String], name: &str) -> Result<Option<&'a str>, String> {
    match given.iter().position(|word| word == name) {
        None => Ok(None),
        Some(at) => match given.get(at + 1) {
            Some(word) => Ok(Some(word)),
            None => Err(format!("{name} wants a value")),
        },
    }
}

fn number<T: FromStr>(given: &[String], name: &str, otherwise: T) -> Result<T, String> {
    match value(given, name)? {
        None => Ok(otherwise),
        Some(word) => word
            .parse()
            .map_err(|_| format!("{name}: not a number: {word}")),
    }
}
