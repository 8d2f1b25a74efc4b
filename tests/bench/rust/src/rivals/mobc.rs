//! mobc: a semaphore, an asynchronous mutex, and a task for each return.

use std::convert::Infallible;
use std::time::Duration;

use crate::connection::{Conn, Options};
use crate::tasks::Tasks;

pub const VERSION: &str = "0.9.0";

pub struct Manager(Options);

#[mobc::async_trait]
impl mobc::Manager for Manager {
    type Connection = Conn;
    type Error = Infallible;

    async fn connect(&self) -> Result<Conn, Infallible> {
        if !self.0.dial.is_zero() {
            tokio::time::sleep(self.0.dial).await;
        }
        Ok(Conn::open(&self.0.ledger))
    }

    async fn check(&self, conn: Conn) -> Result<Conn, Infallible> {
        Ok(conn)
    }
}

pub struct Rival(mobc::Pool<Manager>);

impl Tasks for Rival {
    type Lent<'a> = mobc::Connection<Manager>;
    const NOTES: &'static str = "max_idle raised to max_open (2 by default), the rest as \
        built: it checks at every get (the check is empty), and each return is a task that \
        is spawned";

    async fn open(options: &Options) -> Self {
        let pool = mobc::Pool::builder()
            .max_open(options.connections as u64)
            .max_idle(options.connections as u64)
            .build(Manager(options.clone()));
        Rival(pool)
    }

    async fn get(&self) -> mobc::Connection<Manager> {
        self.0.get().await.expect("a connection")
    }

    async fn get_within(&self, limit: Duration) -> Option<mobc::Connection<Manager>> {
        self.0.get_timeout(limit).await.ok()
    }
}
