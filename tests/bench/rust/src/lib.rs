//! The connection pools of Rust at the same work, one sample a run.

pub mod arguments;
pub mod blocking;
pub mod connection;
pub mod memory;
pub mod program;
pub mod report;
pub mod rivals;
pub mod tasks;
pub mod work;
