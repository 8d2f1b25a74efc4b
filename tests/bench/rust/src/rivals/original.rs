//! netconnpool in Rust: lends only sockets, so all of its connections are
//! duplicates of one that is never used.

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use netconnpool::{Config, ConnectionType, Dialer, Pool, PooledConnection};

use crate::blocking::Blocking;
use crate::connection::{Conn, Options};

pub const VERSION: &str = "1.0.5";

pub struct Rival(Pool);

/// Dials by making a duplicate of one connected socket.
fn dialer(options: &Options) -> Dialer {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let stream = TcpStream::connect(address).expect("a connection");
    let options = options.clone();
    Box::new(move |_| {
        let _keep = &listener;
        thread::sleep(options.dial);
        options.ledger.count_opened();
        let twin = stream.try_clone();
        twin.map(ConnectionType::Tcp)
            .map_err(|reason| Box::new(reason) as Box<dyn Error + Send + Sync>)
    })
}

impl Blocking for Rival {
    type Lent = PooledConnection;
    const NOTES: &'static str = "the default configuration without the health check; \
        it lends only sockets: duplicates of one; lent_twice cannot be seen";

    fn open(options: &Options) -> Self {
        let config = Config {
            max_connections: options.connections,
            max_idle_connections: options.connections,
            min_connections: options.idle,
            enable_health_check: false,
            dialer: Some(dialer(options)),
            ..Config::default()
        };
        Rival(Pool::new(config).expect("a pool"))
    }

    fn get(&self) -> PooledConnection {
        self.0.get().expect("a connection")
    }

    fn get_within(&self, limit: Duration) -> Option<PooledConnection> {
        self.0.get_with_timeout(limit).ok()
    }

    fn conn(_: &PooledConnection) -> Option<&Conn> {
        None
    }

    fn put(&self, lent: PooledConnection) {
        drop(lent);
    }
}
