//! The outbox: what users are notified of, and what is sent to channels and by mail. It is written in the transaction of what it
//! tells of, so that what was committed is told and what was rolled back is not.

pub mod delivery;
pub mod event;
pub mod sender;
pub mod write;

pub use self::{
    delivery::DeliveryStatus,
    event::{Details, EventType, NotificationKind},
    write::{AccountMail, Message, Outbox, Readers},
};
