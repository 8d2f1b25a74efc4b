//! The echo server of `../server.c`, in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

pub struct Echo {
    process: Child,
    tcp: Vec<SocketAddr>,
    udp: SocketAddr,
    turn: AtomicUsize,
}

impl Echo {
    pub fn start() -> Echo {
        let mut process = Command::new(env!("NCP_BENCH_NET"))
            .arg("--echo")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("no echo server");
        let mut line = String::new();
        let output = process.stdout.take().expect("it has no output");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("it says nothing");
        let mut ports: Vec<SocketAddr> = line
            .split_whitespace()
            .map(|word| SocketAddr::from(([127, 0, 0, 1], word.parse().expect("a port"))))
            .collect();
        let udp = ports.pop().expect("no port");
        Echo {
            process,
            tcp: ports,
            udp,
            turn: AtomicUsize::new(0),
        }
    }

    /// The ports take turns.
    pub fn dial_tcp(&self) -> std::io::Result<TcpStream> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let stream = TcpStream::connect(self.tcp[turn % self.tcp.len()])?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub fn dial_udp(&self) -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect(self.udp)?;
        Ok(socket)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
