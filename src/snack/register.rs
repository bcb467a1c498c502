//! Registration of a snack.

use sqlx::PgPool;

use super::{
    fields::NewSnack,
    image::Stored,
    news,
    store::{self, Snack},
};
use crate::{error::ApiError, outbox::Outbox};

/// # Errors
/// `snack_name_taken`.
pub async fn register(
    db: &PgPool,
    outbox: &Outbox,
    author: i64,
    snack: &NewSnack,
    picture: Option<&Stored>,
) -> Result<Snack, ApiError> {
    let mut tx = db.begin().await?;
    let uid = store::create(&mut *tx, author, snack, picture).await?;
    news::write(&mut tx, outbox, author, &[uid]).await?;
    let snack = store::get(&mut *tx, author, uid).await?;
    tx.commit().await?;
    outbox.changes.snacks([uid]);
    outbox.committed(Vec::new());
    Ok(snack)
}
