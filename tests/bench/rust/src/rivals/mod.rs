//! One pool a file, and the table of those that were built in.

use crate::arguments::Arguments;
use crate::report::Report;
#[allow(unused_imports)] // of a rival that is not built in
use crate::{blocking, blocking::Blocking, memory, tasks, tasks::Tasks};

#[cfg(feature = "rival-bb8")]
pub mod bb8;
#[cfg(feature = "rival-deadpool")]
pub mod deadpool;
#[cfg(feature = "rival-mobc")]
pub mod mobc;
#[cfg(feature = "rival-original")]
pub mod original;
#[cfg(feature = "rival-r2d2")]
pub mod r2d2;

pub struct Rival {
    pub name: &'static str,
    pub version: &'static str,
    pub notes: &'static str,
    pub cases: &'static [&'static str],
    pub run: fn(&Arguments) -> Report,
    pub weigh: fn(&Arguments) -> Report,
}

pub const ALL: &[Rival] = &[
    #[cfg(feature = "rival-original")]
    Rival {
        name: "netconnpool-rs-1.0.5",
        version: original::VERSION,
        notes: <original::Rival as Blocking>::NOTES,
        cases: blocking::CASES,
        run: blocking::run::<original::Rival>,
        weigh: memory::blocking::<original::Rival>,
    },
    #[cfg(feature = "rival-r2d2")]
    Rival {
        name: "r2d2",
        version: r2d2::VERSION,
        notes: <r2d2::Rival as Blocking>::NOTES,
        cases: blocking::CASES,
        run: blocking::run::<r2d2::Rival>,
        weigh: memory::blocking::<r2d2::Rival>,
    },
    #[cfg(feature = "rival-deadpool")]
    Rival {
        name: "deadpool",
        version: deadpool::VERSION,
        notes: <deadpool::Rival as Tasks>::NOTES,
        cases: tasks::CASES,
        run: tasks::run::<deadpool::Rival>,
        weigh: memory::tasks::<deadpool::Rival>,
    },
    #[cfg(feature = "rival-bb8")]
    Rival {
        name: "bb8",
        version: bb8::VERSION,
        notes: <bb8::Rival as Tasks>::NOTES,
        cases: tasks::CASES,
        run: tasks::run::<bb8::Rival>,
        weigh: memory::tasks::<bb8::Rival>,
    },
    #[cfg(feature = "rival-mobc")]
    Rival {
        name: "mobc",
        version: mobc::VERSION,
        notes: <mobc::Rival as Tasks>::NOTES,
        cases: tasks::CASES,
        run: tasks::run::<mobc::Rival>,
        weigh: memory::tasks::<mobc::Rival>,
    },
];
