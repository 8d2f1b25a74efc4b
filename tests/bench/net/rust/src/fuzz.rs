//! 50 threads on one pool, as in `../fuzz.c`.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use netconnpool::config::default_config;
use netconnpool::{Config, ConnectionType, Pool, Protocol};

use crate::echo::Echo;
use crate::payload;

const FULL_SECONDS: f64 = 120.0;
const STREAM_REPLY: usize = 8192;
const DATAGRAM_REPLY: usize = 65536;
const GETS_A_STATS: usize = 100;
const GETS_A_TIMING: usize = 17;

#[derive(Clone, Copy)]
enum Role {
    Tcp,
    Udp,
    Mixed,
    Feature,
}

const CREW: [(Role, usize); 4] = [
    (Role::Tcp, 20),
    (Role::Udp, 15),
    (Role::Mixed, 10),
    (Role::Feature, 5),
];

/// Counted by one thread, added up at the end.
#[derive(Default)]
struct Tally {
    tcp_done: u64,
    tcp_failed: u64,
    udp_done: u64,
    udp_failed: u64,
    sent: u64,
    received: u64,
    failed_gets: u64,
    get_ns: Vec<u64>, // of every GETS_A_TIMING-th
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.tcp_done += other.tcp_done;
        self.tcp_failed += other.tcp_failed;
        self.udp_done += other.udp_done;
        self.udp_failed += other.udp_failed;
        self.sent += other.sent;
        self.received += other.received;
        self.failed_gets += other.failed_gets;
        self.get_ns.extend(other.get_ns);
    }
}

/// Nothing there yet is as good as a reply.
fn note_reply(got: std::io::Result<usize>, tally: &mut Tally) -> bool {
    match got {
        Ok(size) => {
            tally.received += size as u64;
            true
        }
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

fn operate_tcp(mut stream: &TcpStream, payload: &[u8], tally: &mut Tally) -> bool {
    let _ = stream.set_nonblocking(true);
    if stream.write_all(payload).is_err() {
        return false;
    }
    tally.sent += payload.len() as u64;
    let mut reply = vec![0; payload.len().min(STREAM_REPLY)];
    note_reply(stream.read(&mut reply), tally)
}

fn operate_udp(socket: &UdpSocket, payload: &[u8], tally: &mut Tally) -> bool {
    let _ = socket.set_nonblocking(true);
    if socket.send(payload).is_err() {
        return false;
    }
    tally.sent += payload.len() as u64;
    let mut reply = vec![0; DATAGRAM_REPLY];
    note_reply(socket.recv(&mut reply), tally)
}

/// One thread.
struct Fuzzer {
    pool: Pool,
    number: usize,
    iteration: usize,
    tally: Tally,
}

impl Fuzzer {
    fn get(
        &mut self,
        how: fn(&Pool) -> netconnpool::errors::Result<netconnpool::PooledConnection>,
    ) -> Option<netconnpool::PooledConnection> {
        let begin = (self.iteration % GETS_A_TIMING == 0).then(Instant::now);
        let got = how(&self.pool);
        if let Some(begin) = begin {
            self.tally.get_ns.push(begin.elapsed().as_nanos() as u64);
        }
        if got.is_err() {
            self.tally.failed_gets += 1;
        }
        got.ok()
    }

    fn transfer_tcp(&mut self) {
        let payload = payload::of(self.number * 100 + self.iteration);
        let lease = self.get(Pool::get_tcp);
        let stream = lease.as_ref().and_then(|lease| lease.tcp_conn());
        let good = stream.is_some_and(|stream| operate_tcp(stream, &payload, &mut self.tally));
        *(if good {
            &mut self.tally.tcp_done
        } else {
            &mut self.tally.tcp_failed
        }) += 1;
    }

    fn transfer_udp(&mut self) {
        let payload = payload::of(self.number * 100 + self.iteration);
        let lease = self.get(Pool::get_udp);
        let socket = lease.as_ref().and_then(|lease| lease.udp_conn());
        let good = socket.is_some_and(|socket| operate_udp(socket, &payload, &mut self.tally));
        *(if good {
            &mut self.tally.udp_done
        } else {
            &mut self.tally.udp_failed
        }) += 1;
    }

    fn try_feature(&mut self) {
        let how = match self.number % 4 {
            0 => Pool::get,
            1 => Pool::get_tcp,
            2 => Pool::get_udp,
            _ => Pool::get_ipv4,
        };
        drop(self.get(how));
        if self.iteration % GETS_A_STATS == 0 {
            let _ = self.pool.stats();
        }
    }

    fn run(mut self, role: Role, end: Instant) -> Tally {
        while Instant::now() < end {
            self.iteration += 1;
            match role {
                Role::Feature => self.try_feature(),
                Role::Tcp => self.transfer_tcp(),
                Role::Udp => self.transfer_udp(),
                Role::Mixed if self.iteration % 2 == 0 => self.transfer_tcp(),
                Role::Mixed => self.transfer_udp(),
            }
        }
        self.tally
    }
}

fn config(echo: Arc<Echo>) -> Config {
    let mut config = default_config();
    config.max_connections = 100;
    config.min_connections = 10;
    config.max_idle_connections = 50;
    config.idle_timeout = Duration::from_secs(30);
    config.max_lifetime = Duration::from_secs(60);
    config.health_check_interval = Duration::from_secs(10);
    config.get_connection_timeout = Duration::from_secs(3);
    config.dialer = Some(Box::new(move |protocol| match protocol {
        Some(Protocol::UDP) => Ok(ConnectionType::Udp(echo.dial_udp()?)),
        _ => Ok(ConnectionType::Tcp(echo.dial_tcp()?)),
    }));
    config
}

fn fuzz(pool: &Pool, end: Instant) -> Tally {
    let mut threads = Vec::new();
    for (role, count) in CREW {
        for number in 0..count {
            let fuzzer = Fuzzer {
                pool: pool.clone(),
                number,
                iteration: 0,
                tally: Tally::default(),
            };
            threads.push(thread::spawn(move || fuzzer.run(role, end)));
        }
    }
    let mut all = Tally::default();
    for thread in threads {
        all.add(thread.join().expect("a thread panicked"));
    }
    all
}

/// The figures of a sample, each with a comma before it.
pub fn run(duration: Duration) -> String {
    let pool = Pool::new(config(Arc::new(Echo::start()))).expect("no pool");
    let begin = Instant::now();
    let mut all = fuzz(&pool, begin + duration);
    let seconds = begin.elapsed().as_secs_f64();
    let stats = pool.stats();
    let gets = stats.successful_gets as f64;
    all.get_ns.sort_unstable();
    let percentile =
        |share: f64| all.get_ns[((all.get_ns.len() - 1) as f64 * share) as usize] as f64;
    let figures = [
        ("ns_per_op", seconds * 1e9 / gets),
        ("ops", gets),
        ("gets", gets),
        ("seconds", seconds),
        // scaled up when the sample was shorter
        ("gets_in_120_s", gets * FULL_SECONDS / seconds),
        ("average_get_ns", stats.average_get_time.as_nanos() as f64),
        ("get_p50_ns", percentile(0.50)),
        ("get_p99_ns", percentile(0.99)),
        ("failed_gets", all.failed_gets as f64),
        ("tcp_done", all.tcp_done as f64),
        ("tcp_failed", all.tcp_failed as f64),
        ("udp_done", all.udp_done as f64),
        ("udp_failed", all.udp_failed as f64),
        ("sent_bytes", all.sent as f64),
        ("received_bytes", all.received as f64),
        ("opened", stats.total_connections_created as f64),
        ("closed", stats.total_connections_closed as f64),
        (
            "threads",
            CREW.iter().map(|(_, count)| count).sum::<usize>() as f64,
        ),
    ];
    let mut line = String::new();
    for (name, value) in figures {
        write!(line, ", \"{name}\": {value}").expect("a String takes all");
    }
    line
}
