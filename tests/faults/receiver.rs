//! The receiver of a webhook: it records what it gets.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use uuid::Uuid;

/// One in so many messages is recorded and answered with an error, so that it is sent again. A repeated one is not: the third attempt
/// would come a minute later.
const FAILING: usize = 50;

/// What an event is about: the order and the type.
pub type Subject = (Uuid, String);

pub struct Receiver {
    pub url: String,
    received: Arc<Mutex<Received>>,
    task: JoinHandle<()>,
}

/// Messages since they were last taken.
#[derive(Default)]
pub struct Received {
    /// Number of times that each message was received, by `webhook-id`, with its subject.
    pub messages: HashMap<String, (Subject, usize)>,
    /// Number of all messages, since the start.
    total: usize,
    pub violations: Vec<String>,
}

impl Receiver {
    pub async fn start() -> Self {
        let received = Arc::new(Mutex::new(Received::default()));
        let router = Router::new().route("/", post(receive)).with_state(Arc::clone(&received));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("a server") });
        Self { url, received, task }
    }

    /// Takes what was received since the last call.
    pub fn take(&self) -> Received {
        let mut received = lock(&self.received);
        Received {
            messages: std::mem::take(&mut received.messages),
            violations: std::mem::take(&mut received.violations),
            total: received.total,
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(
    State(received): State<Arc<Mutex<Received>>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> StatusCode {
    let mut received = lock(&received);
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok());
    let order = body["data"]["order"]["uid"].as_str().and_then(|uid| uid.parse().ok());
    let (Some(id), Some(order), Some(kind)) = (id, order, body["type"].as_str()) else {
        received.violations.push(format!("a message without id, order or type: {body}"));
        return StatusCode::OK;
    };
    let subject = (order, kind.to_owned());
    let known = received.messages.entry(id.to_owned()).or_insert_with(|| (subject.clone(), 0));
    known.1 += 1;
    let is_repeated = known.1 > 1;
    if known.0 != subject {
        let violation = format!("{id} is about {:?} and about {subject:?}", known.0);
        received.violations.push(violation);
    }
    received.total += 1;
    if received.total.is_multiple_of(FAILING) && !is_repeated {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::OK
    }
}

fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}
