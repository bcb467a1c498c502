//! Clients that exhaust connections, buffers or memory of the server.

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{process::time_limit, rounds::Round};

/// Time within which the connection of a client that does not read is closed: 30 s without progress, and the time
/// before.
const CLOSED_WITHIN: Duration = time_limit(Duration::from_secs(45));
/// Limit for the growth of the server's memory, in MiB.
const MEMORY_LIMIT: u64 = 128;
/// Requests that are sent at once on a connection.
const PIPELINED: usize = 60;
/// Interval in which the kernel's sockets are counted.
const POLL: Duration = Duration::from_millis(250);

/// Resident memory of the server, in MiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the server");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("kibibytes") / 1024
}

/// A connection to the server from 127.0.0.`host`.
async fn connect(port: u16, host: u8) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).ok()?;
    socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.ok()
}

/// Number of the kernel's sockets for connections of [`connect`] to `port`, with those that the server has closed.
fn open_sockets(port: u16) -> usize {
    // In this table addresses are hexadecimal, with the last byte first.
    let table = std::fs::read_to_string("/proc/net/tcp").expect("a table of sockets");
    let server = format!("0100007F:{port:04X}");
    let is_open = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        // 06 and 0A are the states TIME_WAIT and LISTEN. All other clients have the address 127.0.0.1.
        matches!(fields[..], [_, local, peer, state, ..]
            if local == server && !peer.starts_with("0100007F") && !["06", "0A"].contains(&state))
    };
    table.lines().filter(is_open).count()
}

/// Sends `bytes` on many connections, and returns these unread with the peak of the server's memory in MiB.
async fn send(port: u16, pid: u32, bytes: &[u8], connections: usize) -> (Vec<TcpStream>, u64) {
    let mut tasks = JoinSet::new();
    let (mut open, mut peak) = (Vec::new(), resident(pid));
    for number in 0..connections {
        let bytes = bytes.to_vec();
        tasks.spawn(async move {
            let mut stream = connect(port, u8::try_from(number % 8 + 2).unwrap_or(2)).await?;
            // The server stops reading from a client that does not read.
            let _ = timeout(Duration::from_millis(300), stream.write_all(&bytes)).await;
            Some(stream)
        });
        if tasks.len() >= 64 {
            open.extend(tasks.join_next().await.and_then(Result::ok).flatten());
            peak = peak.max(resident(pid));
        }
    }
    open.extend(tasks.join_all().await.into_iter().flatten());
    (open, peak.max(resident(pid)))
}

/// Clients that pipeline requests and do not read: other clients are served, and the connections are closed in time.
pub async fn read_slowly(round: &mut Round<'_>, full: bool) {
    let (port, pid) = (round.stack.servers[0].port, round.stack.servers[0].process().pid());
    let before = resident(pid);
    let count = if full { 2000 } else { 200 };
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: faults\r\n\r\n".repeat(PIPELINED);
    let (open, peak) = send(port, pid, requests.as_bytes(), count).await;
    if peak.saturating_sub(before) > MEMORY_LIMIT {
        round.add_violation(format!("the server grew by {} MiB with {count} clients that do not read", peak - before));
    }
    round.wait_for_responses(100..300).await;
    if !full {
        return;
    }
    // Counted here, because the client of a closed connection learns that after the data that it does not read.
    let unread = open_sockets(port);
    if unread < count / 2 {
        round.add_violation(format!("only {unread} of {count} connections with unread data"));
    }
    let closing = async {
        while open_sockets(port) > 0 {
            sleep(POLL).await;
        }
    };
    if timeout(CLOSED_WITHIN, closing).await.is_err() {
        let (standing, count) = (open_sockets(port), open.len());
        round.add_violation(format!("{standing} of {count} connections stand after {CLOSED_WITHIN:?}"));
    }
}

/// Number of connections of an attack. Parsing is slow in a debug build, where 300 bodies at once leave other requests no
/// CPU for seconds.
const ATTACKERS: usize = if cfg!(debug_assertions) { 60 } else { 300 };

/// Bodies and names that are made to take memory: the server stays below its limit, and other clients are served.
pub async fn take_memory(round: &mut Round<'_>) {
    let (port, pid) = (round.stack.servers[0].port, round.stack.servers[0].process().pid());
    let before = resident(pid);
    let access = round.fixtures.members[0].access.clone();
    let request = |path: &str, length: usize, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: faults\r\nauthorization: Bearer {access}\r\ncontent-type: application/json\r\n\
             idempotency-key: ceiling\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let uid = round.fixtures.menu[0].uid;
    let items = r#"{"":0},"#.repeat(9000);
    let tree = format!(r#"{{"snacks":[{{"uid":"{uid}","quantity":0}}],"x":[{items}0]}}"#);
    let name = json!({"username": "x".repeat(60_000), "password": "korea-snack-9"}).to_string();
    let large = "x".repeat(1024 * 1024);
    let attacks = [
        ("trees of values", request("/orders", tree.len(), &tree)),
        ("long user names", request("/auth/token", name.len(), &name)),
        ("bodies that never end", request("/auth/token", 65_000, &"x".repeat(60_000))),
        ("bodies that are too large", request("/snacks", large.len(), &large)),
    ];
    for (description, bytes) in attacks {
        let (mut open, peak) = send(port, pid, bytes.as_bytes(), ATTACKERS).await;
        for stream in &mut open {
            let mut status = [0; 12];
            let _ = timeout(Duration::from_millis(20), stream.read_exact(&mut status)).await;
        }
        let peak = peak.max(resident(pid));
        if peak.saturating_sub(before) > MEMORY_LIMIT {
            round.add_violation(format!("the server grew by {} MiB with {description}", peak - before));
        }
        drop(open);
        round.wait_for_responses(50..100).await;
    }
}
