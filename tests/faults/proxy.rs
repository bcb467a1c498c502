//! A proxy that stands between a server and a store and can be told to misbehave.

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

/// How late what passes in [`Mode::Delay`] arrives.
pub const DELAY: Duration = Duration::from_secs(5);

/// What becomes of connections and what goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All goes through.
    Pass,
    /// Nobody listens: open connections end, new ones are refused.
    Refuse,
    /// Open connections are reset, new ones as soon as they stand.
    Reset,
    /// Nothing gets through, nothing is told. What is sent meanwhile arrives when it is over, as after a short cut of a cable.
    Hold,
    /// Nothing gets through, nothing is told, and a connection that was used meanwhile stays silent for ever after, as when
    /// a firewall has forgotten it.
    BlackHole,
    /// What the server sends arrives [`DELAY`] late.
    Delay,
}

impl Mode {
    /// Whether nothing gets through and nothing is told.
    const fn is_silent(self) -> bool {
        matches!(self, Self::Hold | Self::BlackHole)
    }
}

/// A proxy on a port of its own.
pub struct Proxy {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
    door: JoinHandle<()>,
}

struct Shared {
    upstream: u16,
    mode: watch::Sender<Mode>,
    /// Grows when connections that a black hole has swallowed are to end.
    reaped: watch::Sender<u64>,
}

impl Proxy {
    /// A proxy on `port` before the store on `upstream`.
    pub fn start(port: u16, upstream: u16) -> Self {
        let shared = Arc::new(Shared { upstream, mode: watch::Sender::new(Mode::Pass), reaped: watch::Sender::new(0) });
        let door = tokio::spawn(keep_door(port, Arc::clone(&shared)));
        Self { port, shared, door }
    }

    /// Behaves like `mode` from now on.
    pub fn behave(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Ends the connections that a black hole has swallowed. Until then they hang, which the server has to live with.
    pub fn reap(&self) {
        self.shared.reaped.send_modify(|times| *times += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.door.abort();
    }
}

/// Listens except while refusing.
async fn keep_door(port: u16, shared: Arc<Shared>) {
    let mut mode = shared.mode.subscribe();
    loop {
        let _ = mode.wait_for(|mode| *mode != Mode::Refuse).await;
        let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await else {
            // The kernel still holds the port for a moment.
            sleep(Duration::from_millis(5)).await;
            continue;
        };
        loop {
            tokio::select! {
                _ = mode.wait_for(|mode| *mode == Mode::Refuse) => break,
                Ok((client, _)) = listener.accept() => {
                    tokio::spawn(carry(client, Arc::clone(&shared)));
                }
            }
        }
    }
}

/// One connection from its beginning to its end.
async fn carry(mut client: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut mode = shared.mode.subscribe();
    let mut reaped = shared.reaped.subscribe();
    if mode.borrow().is_silent() {
        // What the client says first is never heard.
        tokio::select! {
            _ = mode.wait_for(|mode| !mode.is_silent()) => {}
            _ = reaped.changed() => return Ok(()),
        }
    }
    let greeting = *mode.borrow_and_update();
    if matches!(greeting, Mode::Reset | Mode::Refuse) {
        return client.set_zero_linger();
    }
    let mut store = TcpStream::connect(("127.0.0.1", shared.upstream)).await?;
    client.set_nodelay(true)?;
    store.set_nodelay(true)?;
    let swallowed = watch::Sender::new(false);
    let end = {
        let (client_reads, client_writes) = client.split();
        let (store_reads, store_writes) = store.split();
        let there = pump(client_reads, store_writes, &shared, &swallowed, true);
        let back = pump(store_reads, client_writes, &shared, &swallowed, false);
        let reaping = async {
            let _ = swallowed.subscribe().wait_for(|swallowed| *swallowed).await;
            reaped.mark_unchanged();
            let _ = reaped.changed().await;
        };
        tokio::select! {
            // An end on one side ends the other, once what was under way has arrived.
            _ = async { tokio::join!(there, back) } => Mode::Pass,
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

/// Carries bytes one way: a reader notes when each piece is due, a writer waits for it.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    swallowed: &watch::Sender<bool>,
    delayed: bool,
) {
    let (pieces, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let mode = shared.mode.subscribe();
    let read = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count) = from.read(&mut buffer).await {
            let late = if delayed && *mode.borrow() == Mode::Delay { DELAY } else { Duration::ZERO };
            if *mode.borrow() == Mode::BlackHole {
                swallowed.send_replace(true);
            }
            if *swallowed.borrow() {
                // Not even an end is told.
                if count == 0 {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            if count == 0 || pieces.send((Instant::now() + late, buffer[..count].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let mut mode = shared.mode.subscribe();
    let write = async move {
        while let Some((at, piece)) = due.recv().await {
            sleep_until(at).await;
            let _ = mode.wait_for(|mode| *mode != Mode::Hold).await;
            if *swallowed.borrow() {
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
