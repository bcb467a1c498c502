//! The body of a stream.

use std::{sync::Arc, time::Duration};

use axum::body::{Body, Bytes};
use chrono::{DateTime, Utc};
use futures_util::stream;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep_until},
};

use super::{
    event::{Batch, COMMENT, RESYNC},
    open_streams::OpenStream,
};

/// Interval of comments.
const COMMENT_AFTER: Duration = Duration::from_secs(15);

struct EventStream {
    open: OpenStream,
    batches: Receiver<Arc<Batch>>,
    /// Frame for this user alone that follows the one that was sent last.
    next: Option<Bytes>,
    comment_at: Instant,
    expires_at: DateTime<Utc>,
}

/// Body of a stream that ends when the token expires, and when `open` is ended.
pub fn body(open: OpenStream, batches: Receiver<Arc<Batch>>, expires_at: DateTime<Utc>) -> Body {
    // The first comment is due at once: the client gets the headers with it.
    let stream = EventStream { open, batches, next: None, comment_at: Instant::now(), expires_at };
    Body::from_stream(stream::unfold(stream, |mut stream| async move {
        let frame = stream.frame().await?;
        Some((Ok::<_, std::convert::Infallible>(frame), stream))
    }))
}

impl EventStream {
    /// Waits for the next frame. None at the end.
    async fn frame(&mut self) -> Option<Bytes> {
        if let Some(frame) = self.next.take() {
            return Some(frame);
        }
        loop {
            let left = (self.expires_at - Utc::now()).to_std().ok()?;
            let wake_at = self.comment_at.min(Instant::now() + left.min(COMMENT_AFTER));
            tokio::select! {
                biased;
                () = self.open.end.cancelled() => return None,
                () = sleep_until(wake_at) => {
                    if self.comment_at <= Instant::now() {
                        self.comment_at = Instant::now() + COMMENT_AFTER;
                        return Some(COMMENT);
                    }
                }
                batch = self.batches.recv() => {
                    if let Some(frame) = self.read(batch)? {
                        return Some(frame);
                    }
                }
            }
        }
    }
    /// Frame of a batch, if there is one for this stream. None at the end.
    fn read(&mut self, batch: Result<Arc<Batch>, RecvError>) -> Option<Option<Bytes>> {
        match batch {
            Ok(batch) => {
                let own = batch.own.get(&self.open.user).cloned();
                if batch.shared.is_empty() {
                    return Some(own);
                }
                self.next = own;
                Some(Some(batch.shared.clone()))
            }
            Err(RecvError::Lagged(_)) => {
                self.batches = self.batches.resubscribe();
                Some(Some(RESYNC))
            }
            Err(RecvError::Closed) => None,
        }
    }
}
