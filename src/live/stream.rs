//! The body of a stream.

use std::{collections::VecDeque, sync::Arc, time::Duration};

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
    /// Frames that have not been sent: the first comment, or those of the last batch.
    frames: VecDeque<Bytes>,
    comment_at: Instant,
    expires_at: DateTime<Utc>,
}

/// Body of a stream that ends when the token expires, and when `open` is ended.
pub fn body(open: OpenStream, batches: Receiver<Arc<Batch>>, expires_at: DateTime<Utc>) -> Body {
    // The client gets the headers with the first comment.
    let (frames, comment_at) = (VecDeque::from([COMMENT]), Instant::now() + COMMENT_AFTER);
    let stream = EventStream { open, batches, frames, comment_at, expires_at };
    Body::from_stream(stream::unfold(stream, |mut stream| async move {
        let frame = stream.frame().await?;
        Some((Ok::<_, std::convert::Infallible>(frame), stream))
    }))
}

impl EventStream {
    /// Waits for the next frame. None at the end.
    async fn frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
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
                batch = self.batches.recv() => match batch {
                    Ok(batch) => self.frames.extend(batch.frames_for(self.open.user)),
                    Err(RecvError::Lagged(_)) => {
                        // What waits is older than the state that the client will read.
                        self.batches = self.batches.resubscribe();
                        return Some(RESYNC);
                    }
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }
}
