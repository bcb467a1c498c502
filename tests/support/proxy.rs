//! TCP proxy between a server and a store, with modes that imitate outages.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

/// Delay of bytes from the server in [`Mode::Delay`].
pub const DELAY: Duration = Duration::from_secs(5);

/// Treatment of connections and of the bytes in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Open connections end, and new ones are refused.
    Refuse,
    /// Open connections are reset, and new ones as soon as they are accepted.
    Reset,
    /// Nothing passes. Bytes that are sent meanwhile arrive afterwards, as after a short network outage.
    Hold,
    /// Requests pass, and responses arrive afterwards.
    HoldResponses,
    /// Open connections go on. New ones are accepted and wait, as at a pooler without a free connection.
    Exhausted,
    /// Nothing passes. A connection that was used meanwhile stays silent until [`Proxy::reap`], as after a firewall has
    /// forgotten it.
    BlackHole,
    /// Bytes from the server arrive [`DELAY`] late.
    Delay,
}

impl Mode {
    const fn holds_new_connections(self) -> bool {
        matches!(self, Self::Hold | Self::BlackHole | Self::Exhausted)
    }

    const fn holds(self, direction: Direction) -> bool {
        matches!((self, direction), (Self::Hold, _) | (Self::HoldResponses, Direction::Response))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Response,
}

/// A running proxy, stopped on drop.
pub struct Proxy {
    /// The port on 127.0.0.1 that it listens on.
    pub port: u16,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

struct Shared {
    /// Host and port of the store.
    upstream: String,
    mode: watch::Sender<Mode>,
    /// Number of calls of [`Proxy::reap`].
    reaped: watch::Sender<u64>,
    /// Number of connections that a black hole has silenced.
    silenced: watch::Sender<u64>,
}

impl Proxy {
    /// Starts a proxy on `port` before `upstream`, which is `host:port`. Port 0 is any free one.
    pub async fn start(port: u16, upstream: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            upstream,
            mode: watch::Sender::new(Mode::Pass),
            reaped: watch::Sender::new(0),
            silenced: watch::Sender::new(0),
        });
        let listener = tokio::spawn(listen(listener, port, Arc::clone(&shared)));
        Self { port, shared, listener }
    }

    pub fn set_mode(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Waits until a black hole has silenced `count` connections.
    pub async fn wait_until_silenced(&self, count: u64) {
        let _ = self.shared.silenced.subscribe().wait_for(|silenced| *silenced >= count).await;
    }

    /// Ends the connections that a black hole has silenced.
    pub fn reap(&self) {
        self.shared.reaped.send_modify(|times| *times += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Accepts connections except in [`Mode::Refuse`].
async fn listen(listener: TcpListener, port: u16, shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    let mut next = Some(listener);
    loop {
        let _ = mode.wait_for(|mode| *mode != Mode::Refuse).await;
        let listener = if let Some(listener) = next.take() {
            listener
        } else {
            let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await else {
                // The kernel frees the port with the last connection.
                sleep(Duration::from_millis(5)).await;
                continue;
            };
            listener
        };
        loop {
            tokio::select! {
                _ = mode.wait_for(|mode| *mode == Mode::Refuse) => break,
                Ok((client, _)) = listener.accept() => {
                    tokio::spawn(forward(client, Arc::clone(&shared)));
                }
            }
        }
    }
}

/// Forwards one connection until it ends.
async fn forward(mut client: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut mode = shared.mode.subscribe();
    let mut reaped = shared.reaped.subscribe();
    if mode.borrow().holds_new_connections() {
        tokio::select! {
            _ = mode.wait_for(|mode| !mode.holds_new_connections()) => {}
            _ = reaped.changed() => return Ok(()),
        }
    }
    let at_first = *mode.borrow_and_update();
    if matches!(at_first, Mode::Reset | Mode::Refuse) {
        return client.set_zero_linger();
    }
    let mut store = TcpStream::connect(&shared.upstream).await?;
    client.set_nodelay(true)?;
    store.set_nodelay(true)?;
    let silenced = watch::Sender::new(false);
    let end = {
        let (client_reads, client_writes) = client.split();
        let (store_reads, store_writes) = store.split();
        let requests = copy(client_reads, store_writes, &shared, &silenced, Direction::Request);
        let responses = copy(store_reads, client_writes, &shared, &silenced, Direction::Response);
        let reaping = async {
            let _ = silenced.subscribe().wait_for(|silenced| *silenced).await;
            reaped.mark_unchanged();
            let _ = reaped.changed().await;
        };
        tokio::select! {
            // The end of one direction ends the other, after the bytes under way have arrived.
            _ = async { tokio::join!(requests, responses) } => Mode::Pass,
            cut = mode.wait_for(|mode| matches!(mode, Mode::Refuse | Mode::Reset)) => cut.map_or(Mode::Refuse, |mode| *mode),
            () = reaping => Mode::Reset,
        }
    };
    if end == Mode::Reset {
        client.set_zero_linger()?;
        store.set_zero_linger()?;
    }
    Ok(())
}

/// Copies one direction. The reader notes when each piece is due, and the writer waits for it.
async fn copy(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    silenced: &watch::Sender<bool>,
    direction: Direction,
) {
    let (pieces, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let mode = shared.mode.subscribe();
    let read = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count) = from.read(&mut buffer).await {
            let is_late = direction == Direction::Request && *mode.borrow() == Mode::Delay;
            let delay = if is_late { DELAY } else { Duration::ZERO };
            if *mode.borrow() == Mode::BlackHole && !silenced.send_replace(true) {
                shared.silenced.send_modify(|count| *count += 1);
            }
            if *silenced.borrow() {
                // The end of a silenced connection does not pass either.
                if count == 0 {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            if count == 0 || pieces.send((Instant::now() + delay, buffer[..count].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let mut mode = shared.mode.subscribe();
    let write = async move {
        while let Some((at, piece)) = due.recv().await {
            sleep_until(at).await;
            let _ = mode.wait_for(|mode| !mode.holds(direction)).await;
            if *silenced.borrow() {
                std::future::pending::<()>().await;
            }
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
