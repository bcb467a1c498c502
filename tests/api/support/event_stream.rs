//! The client of a stream of events.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::test_app::{TestApp, TestUser};

/// Time that a test waits for an event. Other tests share the machine.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// An event as it was received.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub name: String,
    pub data: Value,
}

/// An open stream.
pub struct EventStream {
    response: reqwest::Response,
    /// Bytes that are no whole frame yet.
    bytes: Vec<u8>,
    /// Number of comments so far.
    pub comments: usize,
}

impl EventStream {
    /// Opens a stream and waits for its first comment.
    pub async fn open(app: &TestApp, user: &TestUser) -> Self {
        let request = app.request(Method::GET, "/events").bearer_auth(&user.access);
        Self::send(request).await
    }

    pub async fn send(request: reqwest::RequestBuilder) -> Self {
        let response = request.timeout(Duration::from_mins(10)).send().await.expect("a response");
        assert_eq!(response.status(), 200);
        let mut stream = Self { response, bytes: Vec::new(), comments: 0 };
        stream.read_until(Instant::now() + TIMEOUT, |stream| stream.comments > 0).await.expect("a comment");
        stream
    }

    pub fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The next event. None at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        self.next_until(Instant::now() + TIMEOUT).await.expect("an event in time")
    }

    /// The next event until `deadline`. None at the end of the stream.
    ///
    /// # Errors
    /// There was none.
    pub async fn next_until(&mut self, deadline: Instant) -> Result<Option<Event>, ()> {
        loop {
            if let Some(event) = self.frame() {
                return Ok(Some(event));
            }
            match timeout_at(deadline, self.response.chunk()).await {
                Err(_) => return Err(()),
                Ok(chunk) => match chunk.expect("a body that ends in order") {
                    Some(chunk) => self.bytes.extend_from_slice(&chunk),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Waits for an event of this name whose data have these values. Other events are skipped.
    pub async fn wait_for(&mut self, name: &str, data: Value) -> Event {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {name} {data}"));
            let fields = data.as_object().expect("an object");
            if event.name == name && fields.iter().all(|(field, value)| event.data[field] == *value) {
                return event;
            }
        }
    }

    /// All events until one that `changes` causes. Fails if the stream ends.
    pub async fn events_until(&mut self, is_last: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.expect("an event");
            let is_last = is_last(&event);
            events.push(event);
            if is_last {
                return events;
            }
        }
    }

    /// Reads to the end of the stream.
    pub async fn end(mut self) {
        while self.next().await.is_some() {}
    }

    async fn read_until(&mut self, deadline: Instant, done: impl Fn(&Self) -> bool) -> Result<(), ()> {
        while !done(self) {
            let chunk = timeout_at(deadline, self.response.chunk()).await.map_err(|_| ())?;
            self.bytes.extend_from_slice(&chunk.expect("a body").ok_or(())?);
            while self.bytes.starts_with(b":\n\n") {
                self.bytes.drain(..3);
                self.comments += 1;
            }
        }
        Ok(())
    }

    /// Takes a whole event. Comments are counted.
    fn frame(&mut self) -> Option<Event> {
        while let Some(end) = self.bytes.windows(2).position(|pair| pair == b"\n\n") {
            let frame: Vec<u8> = self.bytes.drain(..end + 2).collect();
            let frame = String::from_utf8(frame).expect("UTF-8");
            if frame == ":\n\n" {
                self.comments += 1;
                continue;
            }
            let (name, data) = frame.trim_end().split_once('\n').expect("two lines");
            let name = name.strip_prefix("event: ").expect("a name").to_owned();
            let data = data.strip_prefix("data: ").expect("data");
            return Some(Event { name, data: serde_json::from_str(data).expect("JSON") });
        }
        None
    }
}
