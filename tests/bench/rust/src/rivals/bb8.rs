//! bb8: a queue behind a mutex, and tokio's Notify for those who wait.

use std::convert::Infallible;
use std::time::Duration;

use bb8::PooledConnection;

use crate::connection::{Conn, Options};
use crate::tasks::Tasks;

pub const VERSION: &str = "0.9.1";

pub struct Manager(Options);

impl bb8::ManageConnection for Manager {
    type Connection = Conn;
    type Error = Infallible;

    async fn connect(&self) -> Result<Conn, Infallible> {
        if !self.0.dial.is_zero() {
            tokio::time::sleep(self.0.dial).await;
        }
        Ok(Conn::open(&self.0.ledger))
    }

    async fn is_valid(&self, _: &mut Conn) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Conn) -> bool {
        false
    }
}

pub struct Rival(bb8::Pool<Manager>);

impl Tasks for Rival {
    type Lent<'a> = PooledConnection<'a, Manager>;
    const NOTES: &'static str = "as built, with test_on_check_out (the check is empty); \
        every get arms a timer of 30 s; get with a time-out of its own is tokio's timeout";

    async fn open(options: &Options) -> Self {
        let pool = bb8::Pool::builder()
            .max_size(options.connections as u32)
            .min_idle(options.idle as u32)
            .build(Manager(options.clone()));
        Rival(pool.await.expect("a pool"))
    }

    async fn get(&self) -> PooledConnection<'_, Manager> {
        self.0.get().await.expect("a connection")
    }

    async fn get_within(&self, limit: Duration) -> Option<PooledConnection<'_, Manager>> {
        tokio::time::timeout(limit, self.0.get()).await.ok()?.ok()
    }
}
