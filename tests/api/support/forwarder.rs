//! A way to Postgres that a test can cut, silence and hold up, while the Postgres of the other tests goes on.

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// How the way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Bytes go to and fro.
    Up,
    /// Bytes go to Postgres; what it answers waits until the line is up.
    Held,
    /// Connections that stand go on; further ones are taken and nothing comes through them, as a pooler does that has none left.
    Full,
    /// Nobody listens: connections are refused, those that stood are cut.
    Refused,
    /// Connections are taken and cut at once, those that stood too.
    Cut,
    /// Connections are taken and stand, and nothing comes through them.
    Silent,
}

/// The way to Postgres, up to begin with.
pub struct Forwarder {
    port: u16,
    line: watch::Sender<Line>,
}

impl Forwarder {
    /// A way to the Postgres of `database`.
    pub async fn to(database: &PgConnectOptions) -> Self {
        let upstream = (database.get_host().to_owned(), database.get_port());
        let (line, seen) = watch::channel(Line::Up);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(listen(listener, port, upstream, seen));
        Self { port, line }
    }

    /// `database`, reached by this way.
    pub fn through(&self, database: &PgConnectOptions) -> PgConnectOptions {
        database.clone().host("127.0.0.1").port(self.port)
    }

    pub fn turn(&self, line: Line) {
        self.line.send_replace(line);
    }
}

/// Takes connections until the forwarder is gone.
async fn listen(listener: TcpListener, port: u16, upstream: (String, u16), mut line: watch::Receiver<Line>) {
    let mut listener = Some(listener);
    loop {
        if *line.borrow_and_update() == Line::Refused {
            listener = None;
            if line.wait_for(|line| *line != Line::Refused).await.is_err() {
                return;
            }
        }
        let taken = match listener.take() {
            Some(listener) => listener,
            None => TcpListener::bind(("127.0.0.1", port)).await.expect("the same port"),
        };
        tokio::select! {
            changed = line.changed() => if changed.is_err() { return },
            accepted = taken.accept() => {
                let (near, _) = accepted.expect("a connection");
                tokio::spawn(forward(near, upstream.clone(), line.clone()));
            }
        }
        listener = Some(taken);
    }
}

/// Carries one connection for as long as the line lasts.
async fn forward(near: TcpStream, upstream: (String, u16), mut line: watch::Receiver<Line>) {
    let mut held = line.clone();
    let (mut from_near, mut to_near) = near.into_split();
    if matches!(*line.borrow_and_update(), Line::Up | Line::Held) {
        let Ok(far) = TcpStream::connect(upstream).await else {
            return;
        };
        let (mut from_far, mut to_far) = far.into_split();
        let back = async {
            let mut bytes = [0; 16 * 1024];
            while let Ok(read @ 1..) = from_far.read(&mut bytes).await {
                let _ = held.wait_for(|line| *line != Line::Held).await;
                if to_near.write_all(&bytes[..read]).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            _ = copy(&mut from_near, &mut to_far) => return,
            () = back => return,
            _ = line.wait_for(|line| !matches!(line, Line::Up | Line::Held | Line::Full)) => {}
        }
    }
    // A silent connection stands, unread, until the line changes once more.
    let _ = line.wait_for(|line| !matches!(line, Line::Silent | Line::Full)).await;
}
