use std::process::ExitCode;

fn main() -> ExitCode {
    ncp_bench_rust::program::main(false)
}
