//! Events of snacks for channels.

use serde_json::{Map, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::store::{SnackLookup, look_up};
use crate::{
    error::ApiError,
    outbox::{Details, EventType, Message, Outbox, Readers},
};

/// Writes that `author` registered the snacks `uids`, in the transaction that does so.
pub async fn write(tx: &mut PgConnection, outbox: &Outbox, author: i64, uids: &[Uuid]) -> Result<(), ApiError> {
    if !outbox.has_receivers(&mut *tx, EventType::SnackRegistered).await? {
        return Ok(());
    }
    let lookups: Vec<_> = uids.iter().map(|uid| SnackLookup { viewer: author, uid: *uid }).collect();
    for snack in look_up(&mut *tx, &lookups).await? {
        let message = Message {
            readers: Readers::Nobody,
            kind: None,
            details: Details::default(),
            order: None,
            actor: Some(author),
            event: Some(EventType::SnackRegistered),
            data: Map::from_iter([("snack".to_owned(), json!(snack?))]),
        };
        outbox.write(&mut *tx, message).await?;
    }
    Ok(())
}
