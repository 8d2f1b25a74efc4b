use std::process::ExitCode;

use ncp_bench_rust::memory::Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn main() -> ExitCode {
    ncp_bench_rust::program::main(true)
}
