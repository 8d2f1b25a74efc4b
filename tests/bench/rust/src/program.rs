//! What both programs do with their arguments.

use std::process::ExitCode;

use crate::arguments::Arguments;
use crate::report::quoted;
use crate::rivals::{Rival, ALL};

/// `weighs` says whether this is the program for the case "memory".
pub fn main(weighs: bool) -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(reason) => return failed(&reason),
    };
    if arguments.list {
        ALL.iter().for_each(|rival| list(rival, weighs));
        return ExitCode::SUCCESS;
    }
    let Some(rival) = ALL.iter().find(|one| one.name == arguments.subject) else {
        return failed(&format!("no such subject: {}", arguments.subject));
    };
    if !cases(rival, weighs).contains(&arguments.case.as_str()) {
        return failed(&format!("{} cannot do: {}", rival.name, arguments.case));
    }
    let run = if weighs { rival.weigh } else { rival.run };
    run(&arguments).print();
    ExitCode::SUCCESS
}

fn cases(rival: &Rival, weighs: bool) -> &'static [&'static str] {
    if weighs {
        &["memory"]
    } else {
        rival.cases
    }
}

fn list(rival: &Rival, weighs: bool) {
    for case in cases(rival, weighs) {
        println!(
            "{{\"case\": {}, \"subject\": {}, \"version\": {}, \"notes\": {}, \
             \"language\": \"rust\"}}",
            quoted(case),
            quoted(rival.name),
            quoted(rival.version),
            quoted(rival.notes)
        );
    }
}

fn failed(reason: &str) -> ExitCode {
    eprintln!("{reason}");
    ExitCode::FAILURE
}

/// Ends a sample that this machine does not allow.
pub fn unable(reason: &str) -> ! {
    eprintln!("{reason}");
    std::process::exit(77);
}
