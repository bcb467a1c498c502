//! A receiver of webhooks: a real HTTP server that records requests and responds as a test tells it.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, header},
    response::Response,
};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::timeout,
};

/// Time that a test waits for a request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Response of a receiver.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16),
    /// A 307 to this URL.
    Redirect(String),
    /// A status and a body of that many bytes.
    Large(u16, usize),
    /// A status and a body that never ends.
    Endless(u16),
    /// None.
    Silence,
    /// A status when the semaphore has a permit.
    Held(Arc<Semaphore>, u16),
}

impl Answer {
    pub async fn response(self) -> Response {
        let (status, body) = match self {
            Self::Status(status) => (status, Body::from("ok")),
            Self::Redirect(url) => {
                let response = Response::builder().status(307).header(header::LOCATION, url);
                return response.body(Body::empty()).expect("a response");
            }
            Self::Large(status, length) => {
                let chunk = Bytes::from(vec![b'x'; 16 * 1024]);
                let chunks = stream::repeat(Ok::<_, Infallible>(chunk.clone())).take(length / chunk.len());
                (status, Body::from_stream(chunks))
            }
            Self::Endless(status) => {
                let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"..."))]);
                (status, Body::from_stream(first.chain(stream::pending())))
            }
            Self::Silence => std::future::pending().await,
            Self::Held(release, status) => {
                release.acquire().await.expect("a permit").forget();
                (status, Body::empty())
            }
        };
        Response::builder().status(status).body(body).expect("a response")
    }
}

/// Request that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

struct Shared {
    answer: Mutex<Answer>,
    requests: mpsc::UnboundedSender<Received>,
}

/// A receiver on a port of its own.
pub struct Receiver {
    pub url: String,
    shared: Arc<Shared>,
    requests: mpsc::UnboundedReceiver<Received>,
    server: JoinHandle<()>,
}

impl Receiver {
    pub async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook/secret-path", listener.local_addr().expect("an address"));
        let (sender, requests) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { answer: Mutex::new(answer), requests: sender });
        let router = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("a receiver") });
        Self { url, shared, requests, server }
    }

    /// Changes the response to the requests from now on.
    pub fn set(&self, answer: Answer) {
        *self.shared.answer.lock().expect("the answer") = answer;
    }

    /// The next request, which may have arrived already.
    pub async fn next(&mut self) -> Received {
        timeout(TIMEOUT, self.requests.recv()).await.expect("a request in time").expect("a request")
    }

    /// The requests that have arrived and were not read.
    pub fn rest(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await.expect("a body");
    let received = Received {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).expect("UTF-8"),
    };
    let answer = shared.answer.lock().expect("the answer").clone();
    shared.requests.send(received).expect("a test that goes on");
    answer.response().await
}
