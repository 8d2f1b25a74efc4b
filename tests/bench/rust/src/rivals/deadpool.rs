//! deadpool: tokio's semaphore and a queue behind a mutex.

use std::convert::Infallible;
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, PoolConfig, RecycleResult, Timeouts};

use crate::connection::{Conn, Options};
use crate::tasks::Tasks;

pub const VERSION: &str = "0.13.1";

pub struct Manager(Options);

impl managed::Manager for Manager {
    type Type = Conn;
    type Error = Infallible;

    async fn create(&self) -> Result<Conn, Infallible> {
        dial(&self.0).await
    }

    async fn recycle(&self, _: &mut Conn, _: &Metrics) -> RecycleResult<Infallible> {
        Ok(())
    }
}

async fn dial(options: &Options) -> Result<Conn, Infallible> {
    if !options.dial.is_zero() {
        tokio::time::sleep(options.dial).await;
    }
    Ok(Conn::open(&options.ledger))
}

pub struct Rival(managed::Pool<Manager>);

impl Tasks for Rival {
    type Lent<'a> = Object<Manager>;
    const NOTES: &'static str = "as built; keeps no idle minimum and dials for each caller \
        that finds nothing idle";

    async fn open(options: &Options) -> Self {
        let pool = managed::Pool::builder(Manager(options.clone()))
            .config(PoolConfig::new(options.connections))
            .runtime(deadpool::Runtime::Tokio1)
            .build();
        Rival(pool.expect("a pool"))
    }

    async fn get(&self) -> Object<Manager> {
        self.0.get().await.expect("a connection")
    }

    async fn get_within(&self, limit: Duration) -> Option<Object<Manager>> {
        let timeouts = Timeouts {
            wait: Some(limit),
            ..Timeouts::new()
        };
        self.0.timeout_get(&timeouts).await.ok()
    }
}
