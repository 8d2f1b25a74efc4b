//! r2d2: a mutex, a condition variable, and threads that dial.

use std::convert::Infallible;
use std::thread;
use std::time::Duration;

use crate::blocking::Blocking;
use crate::connection::{Conn, Options};

pub const VERSION: &str = "0.8.10";

pub struct Manager(Options);

impl r2d2::ManageConnection for Manager {
    type Connection = Conn;
    type Error = Infallible;

    fn connect(&self) -> Result<Conn, Infallible> {
        thread::sleep(self.0.dial);
        Ok(Conn::open(&self.0.ledger))
    }

    fn is_valid(&self, _: &mut Conn) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Conn) -> bool {
        false
    }
}

pub struct Rival(r2d2::Pool<Manager>);

impl Blocking for Rival {
    type Lent = r2d2::PooledConnection<Manager>;
    const NOTES: &'static str = "as built, with test_on_check_out (the check is empty); \
        no order among those who wait; it dials ahead on threads of its own";

    fn open(options: &Options) -> Self {
        let pool = r2d2::Pool::builder()
            .max_size(options.connections as u32)
            .min_idle(Some(options.idle as u32))
            .build(Manager(options.clone()));
        Rival(pool.expect("a pool"))
    }

    fn get(&self) -> Self::Lent {
        self.0.get().expect("a connection")
    }

    fn get_within(&self, limit: Duration) -> Option<Self::Lent> {
        self.0.get_timeout(limit).ok()
    }

    fn conn(lent: &Self::Lent) -> Option<&Conn> {
        Some(lent)
    }

    fn put(&self, lent: Self::Lent) {
        drop(lent);
    }
}
