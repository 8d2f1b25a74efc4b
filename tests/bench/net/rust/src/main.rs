//! The mixed fuzz as the original project runs it, with its own pool: the same
//! crew, payloads and echo server as in `../fuzz.c`, which says more.

mod echo;
mod fuzz;
mod payload;

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

const CASE: &str = "fuzz";
const SUBJECT: &str = "netconnpool-rs-1.0.5";
const INSIDE: &str = "--inside"; // this process is the one that may crash
const DEFAULT_SECONDS: f64 = 5.0;

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if given.iter().any(|word| word == "--list") {
        println!(
            "{{\"case\": \"{CASE}\", \"subject\": \"{SUBJECT}\", \
             \"version\": \"1.0.5\", \"language\": \"rust\", \
             \"variants\": [{{\"mode\": \"as-original\"}}]}}"
        );
        return ExitCode::SUCCESS;
    }
    if let Err(why) = check(&given) {
        eprintln!("{why}");
        return ExitCode::from(77);
    }
    if given.iter().any(|word| word == INSIDE) {
        println!("{}", fuzz::run(seconds(&given)));
        return ExitCode::SUCCESS;
    }
    supervise(&given)
}

fn value<'a>(given: &'a [String], name: &str) -> Option<&'a str> {
    let at = given.iter().position(|word| word == name)?;
    given.get(at + 1).map(String::as_str)
}

fn check(given: &[String]) -> Result<(), String> {
    let expected = [("--case", CASE), ("--subject", SUBJECT)];
    for (name, only) in expected {
        if value(given, name) != Some(only) {
            return Err(format!("{name} can only be {only}"));
        }
    }
    match value(given, "--mode") {
        None | Some("as-original") => Ok(()),
        Some(mode) => Err(format!("there is no mode {mode}")),
    }
}

fn seconds(given: &[String]) -> Duration {
    let said = value(given, "--seconds").and_then(|text| text.parse().ok());
    Duration::from_secs_f64(said.unwrap_or(DEFAULT_SECONDS))
}

/// Runs the sample in a process of its own, so that a crash can be counted.
fn supervise(given: &[String]) -> ExitCode {
    let output = std::env::current_exe()
        .and_then(|program| {
            Command::new(program)
                .args(given)
                .arg(INSIDE)
                .stderr(Stdio::inherit())
                .output()
        })
        .expect("this program cannot run itself");
    let crashed = output.status.code().is_none();
    let figures = String::from_utf8_lossy(&output.stdout);
    println!(
        "{{\"case\": \"{CASE}\", \"subject\": \"{SUBJECT}\", \
         \"version\": \"1.0.5\", \"clock\": \"wall\", \
         \"crashes\": {}{}}}",
        u8::from(crashed),
        figures.trim_end()
    );
    if output.status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
