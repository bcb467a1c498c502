//! Events of the stream.

use std::{collections::HashMap, io::Write as _};

use axum::body::Bytes;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{domain::period::Month, order::status::OrderStatus, snack::store::LiveSnack};

/// Comment that keeps the connection open.
pub const COMMENT: Bytes = Bytes::from_static(b":\n\n");
/// Frame of [`LiveEvent::Resync`].
pub const RESYNC: Bytes = Bytes::from_static(b"event: resync\ndata: {}\n\n");

/// Event: its name, and its data as JSON.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "lowercase")]
pub enum LiveEvent {
    Order(OrderEvent),
    Snack(SnackEvent),
    Notification(NotificationEvent),
    Budget(BudgetEvent),
    Resync(ResyncEvent),
}

/// An order was created or has changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrderEvent {
    pub uid: Uuid,
    pub status: OrderStatus,
    /// Grows with each change.
    pub version: i32,
}

/// A snack was registered or has changed, or its reactions have.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SnackEvent {
    pub uid: Uuid,
    pub like_reaction_count: i32,
    pub hate_reaction_count: i32,
    /// Likes divided by hates; the likes if there are no hates; 1 if there are no reactions.
    pub like_ratio: f64,
    pub orderable: bool,
}

/// The caller's notifications have changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NotificationEvent {
    pub unread_count: i64,
}

/// Budgets of a month, or what is committed or pending of them, have changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BudgetEvent {
    #[schema(value_type = String, example = "2026-11")]
    pub month: Month,
}

/// Events may have been missed. Read again what is shown, after a random part of a second: all pages get this at once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ResyncEvent {}

impl From<LiveSnack> for SnackEvent {
    fn from(snack: LiveSnack) -> Self {
        Self {
            uid: snack.uid,
            like_reaction_count: snack.counts.likes,
            hate_reaction_count: snack.counts.hates,
            like_ratio: snack.counts.ratio(),
            orderable: snack.orderable,
        }
    }
}

impl LiveEvent {
    /// Appends the event as it is sent.
    ///
    /// # Errors
    /// The data cannot be written as JSON.
    pub fn write(&self, frames: &mut Vec<u8>) -> serde_json::Result<()> {
        match self {
            Self::Order(data) => write_frame(frames, "order", data),
            Self::Snack(data) => write_frame(frames, "snack", data),
            Self::Notification(data) => write_frame(frames, "notification", data),
            Self::Budget(data) => write_frame(frames, "budget", data),
            Self::Resync(data) => write_frame(frames, "resync", data),
        }
    }
}

fn write_frame(frames: &mut Vec<u8>, name: &str, data: &impl Serialize) -> serde_json::Result<()> {
    write!(frames, "event: {name}\ndata: ").map_err(serde_json::Error::io)?;
    serde_json::to_writer(&mut *frames, data)?;
    frames.extend_from_slice(b"\n\n");
    Ok(())
}

/// Events that are sent at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// Frames for all streams.
    pub shared: Bytes,
    /// Frames for the streams of a user.
    pub own: HashMap<i64, Bytes>,
}

impl Batch {
    /// # Errors
    /// The data cannot be written as JSON.
    pub fn new(shared: &[LiveEvent], own: impl IntoIterator<Item = (i64, LiveEvent)>) -> serde_json::Result<Self> {
        let mut frames = Vec::new();
        for event in shared {
            event.write(&mut frames)?;
        }
        let own = own.into_iter().map(|(user, event)| {
            let mut frames = Vec::new();
            event.write(&mut frames)?;
            Ok((user, frames.into()))
        });
        Ok(Self { shared: frames.into(), own: own.collect::<serde_json::Result<_>>()? })
    }

    /// Frames for a stream of `user`.
    pub fn frames_for(&self, user: i64) -> impl Iterator<Item = Bytes> {
        let shared = Some(&self.shared).filter(|frames| !frames.is_empty());
        shared.into_iter().chain(self.own.get(&user)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_of_a_resync_is_that_of_the_event() {
        let mut frames = Vec::new();
        LiveEvent::Resync(ResyncEvent {}).write(&mut frames).expect("a frame");
        assert_eq!(frames, RESYNC);
    }
}
