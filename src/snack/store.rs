//! Snacks in Postgres.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, FromRow, PgConnection, PgExecutor, PgPool, QueryBuilder, Row, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    fields::{NewSnack, SnackFields},
    image::Stored,
    summary::media_path,
};
use crate::{
    audit::Action,
    auth::extract::CurrentUser,
    db::errors::OnConstraint,
    domain::{
        money::{Currency, Price, PriceInput},
        text::{self, SearchWord, fold, search_words, tidy},
        user_summary::UserSummary,
    },
    error::{ApiError, Code},
    http::pagination::{List, Ordering, Page, Sorted, push_filter},
    reaction::counts::{Counts, ReactionType},
};

/// Availability of a snack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "snack_status", rename_all = "lowercase")]
pub enum SnackStatus {
    /// Can be ordered.
    Available,
    /// Cannot be ordered. Open orders and reactions are not affected.
    Unavailable,
}

/// Reason why a snack cannot be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockedReason {
    /// The snack is unavailable, whether it is in an open order or not.
    Unavailable,
    /// The snack is in an open order.
    AlreadyRequested,
}

/// Status of an order that keeps its snacks from being ordered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "order_status", rename_all = "lowercase")]
pub enum OpenOrderStatus {
    Created,
    Approved,
    Ordered,
}

/// Open order that has a snack.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OpenOrder {
    pub uid: Uuid,
    pub status: OpenOrderStatus,
    /// Owner.
    pub user: UserSummary,
}

/// Snack.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Snack {
    pub uid: Uuid,
    /// Unique, ignoring case, white space, Unicode form and invisible characters.
    #[schema(example = "새우깡")]
    pub name: String,
    /// Page of a shop, or empty.
    #[schema(example = "https://www.nongshim.com")]
    pub url: String,
    /// Description, or empty.
    pub desc: String,
    /// Path of the picture, below the URL of the server.
    #[schema(required, example = "/media/7b0d4a6d-99fe-4bbc-ba70-e09084cf3b5f.jpg")]
    pub image: Option<String>,
    /// Path of the thumbnail, below the URL of the server.
    #[schema(required, example = "/media/7b0d4a6d-99fe-4bbc-ba70-e09084cf3b5f-small.jpg")]
    pub thumbnail: Option<String>,
    pub currency: Currency,
    /// Decimal with the digits of the currency.
    #[schema(example = "1500")]
    pub price: String,
    pub status: SnackStatus,
    /// `true` if it can be ordered now, in lists too.
    pub orderable: bool,
    /// `null` if it can be ordered.
    #[schema(required)]
    pub blocked_reason: Option<BlockedReason>,
    /// Order with status `created`, `approved` or `ordered` that has the snack.
    #[schema(required)]
    pub open_order: Option<OpenOrder>,
    /// Number of likes. In lists it may be two flush intervals old.
    pub like_reaction_count: i32,
    /// Number of hates. In lists it may be two flush intervals old.
    pub hate_reaction_count: i32,
    /// Likes divided by hates; the likes if there are no hates; 1 if there are no reactions.
    pub like_ratio: f64,
    /// Author. `null` if unknown.
    #[schema(required)]
    pub registered_by: Option<UserSummary>,
    pub created_at: DateTime<Utc>,
    /// Time of the last edit.
    pub updated_at: DateTime<Utc>,
    /// Reaction of the caller.
    #[schema(required)]
    pub my_reaction: Option<ReactionType>,
    #[serde(skip)]
    pub id: i64,
    /// Epoch of the counts. Redis has newer ones if its epoch is higher.
    #[serde(skip)]
    pub counter_epoch: i64,
}

impl Snack {
    pub fn set_counts(&mut self, counts: Counts) {
        self.like_reaction_count = counts.likes;
        self.hate_reaction_count = counts.hates;
        self.like_ratio = counts.ratio();
    }
}

impl<'r> FromRow<'r, PgRow> for Snack {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let currency: Currency = row.try_get("currency")?;
        let author = Option::zip(row.try_get("registered_by_id")?, row.try_get("registered_by_name")?);
        let status: SnackStatus = row.try_get("status")?;
        let open_order = match row.try_get("open_order_uid")? {
            None => None,
            Some(uid) => Some(OpenOrder {
                uid,
                status: row.try_get("open_order_status")?,
                user: UserSummary {
                    id: row.try_get("open_order_user_id")?,
                    name: row.try_get("open_order_user_name")?,
                },
            }),
        };
        let blocked_reason = match (status, &open_order) {
            (SnackStatus::Unavailable, _) => Some(BlockedReason::Unavailable),
            (SnackStatus::Available, Some(_)) => Some(BlockedReason::AlreadyRequested),
            (SnackStatus::Available, None) => None,
        };
        Ok(Self {
            uid: row.try_get("uid")?,
            name: row.try_get("name")?,
            url: row.try_get("url")?,
            desc: row.try_get("desc")?,
            image: media_path(row.try_get("image")?),
            thumbnail: media_path(row.try_get("thumbnail")?),
            currency,
            price: currency.format(row.try_get("price")?),
            status,
            orderable: blocked_reason.is_none(),
            blocked_reason,
            open_order,
            like_reaction_count: row.try_get("like_reaction_count")?,
            hate_reaction_count: row.try_get("hate_reaction_count")?,
            like_ratio: row.try_get("like_ratio")?,
            registered_by: author.map(|(id, name)| UserSummary { id, name }),
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            my_reaction: None,
            id: row.try_get("id")?,
            counter_epoch: row.try_get("counter_epoch")?,
        })
    }
}

pub const LIST: &List = &List {
    name: "snacks",
    orderings: &[
        Ordering {
            name: "like_ratio",
            keys: &[
                ("s.like_ratio", "float8"),
                ("s.like_reaction_count", "int"),
                ("(-s.hate_reaction_count)", "int"),
                ("s.id", "bigint"),
            ],
        },
        Ordering { name: "like_reaction_count", keys: &[("s.like_reaction_count", "int"), ("s.id", "bigint")] },
        Ordering { name: "hate_reaction_count", keys: &[("s.hate_reaction_count", "int"), ("s.id", "bigint")] },
        Ordering { name: "name", keys: &[("s.name_key", "text")] },
        Ordering { name: "price", keys: &[("s.price", "numeric"), ("s.id", "bigint")] },
        Ordering { name: "created_at", keys: &[("s.created_at", "timestamptz"), ("s.id", "bigint")] },
    ],
    default: "-like_ratio",
};

/// SELECT list of a [`Snack`] without the reaction of the caller, which [`reactions`] adds.
const SNACK: &str = r#"SELECT s.id, s.uid, s.name, s.url, s."desc", s.image, s.thumbnail, s.currency, s.price, s.status,
    s.like_reaction_count, s.hate_reaction_count, s.like_ratio, s.counter_epoch, s.created_at, s.updated_at,
    person.id AS registered_by_id, person.name AS registered_by_name, open_order.uid AS open_order_uid,
    open_order.status AS open_order_status, open_order.user_id AS open_order_user_id, open_order.user_name AS open_order_user_name"#;

/// Tables of [`SNACK`]. LIMIT keeps Postgres from reading all open orders for the snacks of a page, even without statistics.
const FROM: &str = " FROM snacks AS s LEFT JOIN users AS person ON person.id = s.registered_by
    LEFT JOIN LATERAL (
        SELECT o.uid, o.status, o.user_id, orderer.name AS user_name
        FROM purchases AS p JOIN orders AS o ON o.id = p.order_id JOIN users AS orderer ON orderer.id = o.user_id
        WHERE p.snack_id = s.id AND p.blocks LIMIT 1) AS open_order ON true";

/// Condition for available snacks. Without statistics, as in a new database until autovacuum has come, Postgres expects a column to equal
/// one value of it in one row of 200, and to differ from it in all others. For `= 'available'` it would read and sort all snacks, because
/// it expects fewer rows than the page has.
const IS_AVAILABLE: &str = " AND s.status <> 'unavailable'";

/// Filter of snacks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Words of the name.
    pub search: Option<String>,
    pub status: Option<SnackStatus>,
    pub uid: Option<Uuid>,
    pub orderable: Option<bool>,
}

/// Reactions by user and row of the snack.
pub type Reactions = HashMap<(i64, i64), ReactionType>;

/// Page of snacks, and the reactions of `viewers` to them.
pub async fn list(
    db: &PgPool,
    viewers: &[i64],
    filter: &Filter,
    sorted: &Sorted,
) -> Result<(Page<Snack>, Reactions), ApiError> {
    let mut sql = QueryBuilder::new(SNACK);
    sorted.push_key(&mut sql);
    sql.push(FROM).push(" WHERE true");
    for word in filter.search.as_deref().map(search_words).unwrap_or_default() {
        match word {
            SearchWord::Pairs(query) => sql.push(" AND s.search_pairs @@ ").push_bind(query).push("::tsquery"),
            SearchWord::Pattern(pattern) => sql.push(" AND s.search_key LIKE ").push_bind(pattern),
        };
    }
    if let Some(status) = filter.status {
        // Part of the text of the statement, so that its cached plan is for this status.
        sql.push(match status {
            SnackStatus::Available => IS_AVAILABLE,
            SnackStatus::Unavailable => " AND s.status = 'unavailable'",
        });
    }
    push_filter(&mut sql, " AND s.uid = ", filter.uid);
    match filter.orderable {
        None => {}
        Some(true) => {
            sql.push(IS_AVAILABLE)
                .push(" AND NOT EXISTS (SELECT FROM purchases AS p WHERE p.snack_id = s.id AND p.blocks)");
        }
        // A union, because Postgres would read all snacks for a condition with OR.
        Some(false) => {
            sql.push(
                " AND s.id IN (SELECT snack_id FROM purchases WHERE blocks
                UNION ALL SELECT id FROM snacks WHERE status = 'unavailable')",
            );
        }
    }
    sorted.push_after(&mut sql, "AND");
    sorted.push_order(&mut sql);
    let mut connection = db.acquire().await?;
    let query = sql.build_query_as();
    let rows = if filter.search.is_some() {
        // A cached plan does not know the parameter and expects every part of a name to be rare. Several processes for one search would
        // take the cores from other requests. The settings are those of a transaction, because the session may belong to a pooler.
        let begin = "BEGIN READ ONLY; SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL max_parallel_workers_per_gather = 0";
        let mut tx = connection.begin_with(begin).await?;
        let rows = query.fetch_all(&mut *tx).await?;
        tx.commit().await?;
        rows
    } else {
        query.fetch_all(&mut *connection).await?
    };
    let page = sorted.page(rows);
    let reactions = reactions(&mut connection, viewers.to_vec(), &page.results).await?;
    Ok((page, reactions))
}

/// Request for a snack as `viewer` sees it.
#[derive(Clone, Copy, Debug)]
pub struct SnackLookup {
    pub viewer: i64,
    pub uid: Uuid,
}

/// Snacks in the order of `lookups`, with the counts of the statistics columns. A snack that was never counted has none in Redis either,
/// and comes with the count of its rows.
pub async fn look_up(
    db: impl PgExecutor<'_>,
    lookups: &[SnackLookup],
) -> Result<Vec<Result<Snack, ApiError>>, ApiError> {
    let uids: Vec<Uuid> = lookups.iter().map(|lookup| lookup.uid).collect();
    let viewers: Vec<i64> = lookups.iter().map(|lookup| lookup.viewer).collect();
    let mut sql = QueryBuilder::new(SNACK);
    // (SELECT ...) hides the number of lookups from Postgres, which would plan again for each number.
    // A subquery for the reaction, because for a join Postgres reads the reactions of all users to the snack.
    sql.push(", (SELECT type FROM snack_reactions WHERE snack_id = s.id AND user_id = lookup.viewer) AS my_reaction, lookup.number,
        CASE WHEN s.counter_epoch = 0 THEN (
            SELECT ARRAY[count(*) FILTER (WHERE type = 'like')::int, count(*) FILTER (WHERE type = 'hate')::int]
            FROM snack_reactions WHERE snack_id = s.id) END AS counted")
        .push(FROM)
        .push(" JOIN unnest((SELECT ")
        .push_bind(uids);
    sql.push("::uuid[]), (SELECT ")
        .push_bind(viewers)
        .push("::bigint[])) WITH ORDINALITY AS lookup (uid, viewer, number)");
    sql.push(" ON lookup.uid = s.uid");
    let mut found: Vec<Result<Snack, ApiError>> = lookups.iter().map(|_| Err(Code::NotFound.into())).collect();
    for row in sql.build().fetch_all(db).await? {
        let Some(at) = usize::try_from(row.try_get::<i64, _>("number")?).ok().and_then(|number| number.checked_sub(1))
        else {
            continue;
        };
        let mut snack = Snack { my_reaction: row.try_get("my_reaction")?, ..Snack::from_row(&row)? };
        if let Some([likes, hates]) = row.try_get::<Option<[i32; 2]>, _>("counted")? {
            snack.set_counts(Counts { likes, hates });
        }
        found[at] = Ok(snack);
    }
    Ok(found)
}

/// Snack with the counts of the statistics columns.
///
/// # Errors
/// `not_found`.
pub async fn get(db: impl PgExecutor<'_>, viewer: i64, uid: Uuid) -> Result<Snack, ApiError> {
    look_up(db, &[SnackLookup { viewer, uid }]).await?.pop().unwrap_or_else(|| Err(Code::NotFound.into()))
}

/// State of a snack that changes often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LiveSnack {
    pub uid: Uuid,
    pub counts: Counts,
    pub counter_epoch: i64,
    pub orderable: bool,
}

/// The snacks of `uids` that exist, with the counts of the statistics columns.
pub async fn live_snacks(db: &PgPool, uids: &[Uuid]) -> Result<Vec<LiveSnack>, ApiError> {
    // unnest hides the number of uids from Postgres, which would plan again for each number.
    let rows = sqlx::query!(
        r#"SELECT uid, like_reaction_count, hate_reaction_count, counter_epoch,
               status = 'available' AND NOT EXISTS (
                   SELECT FROM purchases WHERE purchases.snack_id = snacks.id AND blocks) AS "orderable!"
           FROM snacks WHERE uid = ANY(ARRAY(SELECT unnest($1::uuid[])))"#,
        uids
    );
    let rows = rows.fetch_all(db).await?;
    Ok(rows
        .into_iter()
        .map(|row| LiveSnack {
            uid: row.uid,
            counts: Counts { likes: row.like_reaction_count, hates: row.hate_reaction_count },
            counter_epoch: row.counter_epoch,
            orderable: row.orderable,
        })
        .collect())
}

/// Reactions of `viewers` to `snacks`.
async fn reactions(
    connection: &mut PgConnection,
    mut viewers: Vec<i64>,
    snacks: &[Snack],
) -> Result<Reactions, ApiError> {
    viewers.sort_unstable();
    viewers.dedup();
    let ids: Vec<i64> = snacks.iter().map(|snack| snack.id).collect();
    let count: usize = snacks
        .iter()
        .map(|snack| usize::try_from(snack.like_reaction_count + snack.hate_reaction_count).unwrap_or_default())
        .sum();
    // unnest hides the number of ids from Postgres, which would plan again for each number.
    if 4 * viewers.len() * ids.len() < count {
        // LIMIT keeps Postgres from reading the reactions of all users to the snacks, which takes longer then (`bench/tried.md`).
        let rows = sqlx::query!(
            r#"SELECT viewer AS "user_id!", snack AS "snack_id!", reaction.type AS "reaction: ReactionType"
               FROM unnest($1::bigint[]) AS snack CROSS JOIN unnest($2::bigint[]) AS viewer CROSS JOIN LATERAL (
                   SELECT type FROM snack_reactions WHERE snack_id = snack AND user_id = viewer LIMIT 1) AS reaction"#,
            &ids,
            &viewers
        );
        let rows = rows.fetch_all(connection).await?;
        return Ok(rows.into_iter().map(|row| ((row.user_id, row.snack_id), row.reaction)).collect());
    }
    let rows = sqlx::query!(
        r#"SELECT user_id, snack_id, type AS "reaction: ReactionType" FROM snack_reactions
           WHERE snack_id = ANY(ARRAY(SELECT unnest($1::bigint[]))) AND user_id = ANY(ARRAY(SELECT unnest($2::bigint[])))"#,
        &ids,
        &viewers
    );
    let rows = rows.fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| ((row.user_id, row.snack_id), row.reaction)).collect())
}

/// Creates a snack and returns its uid.
///
/// # Errors
/// `snack_name_taken`.
pub async fn create(
    db: impl PgExecutor<'_>,
    author: i64,
    snack: &NewSnack,
    picture: Option<&Stored>,
) -> Result<Uuid, ApiError> {
    let name = tidy(&snack.name);
    sqlx::query_scalar!(
        r#"INSERT INTO snacks (name, name_key, url, "desc", image, thumbnail, currency, price, registered_by)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING uid"#,
        name,
        fold(&name),
        snack.url,
        snack.desc,
        picture.map(|picture| &picture.image),
        picture.map(|picture| &picture.thumbnail),
        snack.currency as Currency,
        snack.price,
        author
    )
    .fetch_one(db)
    .await
    .on_constraint("snacks_name_key", Code::SnackNameTaken)
}

/// Creates the snacks whose names are free. Returns their uids by comparison form of the name.
pub async fn create_all(
    connection: &mut PgConnection,
    author: i64,
    snacks: &[NewSnack],
) -> Result<HashMap<String, Uuid>, ApiError> {
    let names: Vec<String> = snacks.iter().map(|snack| tidy(&snack.name)).collect();
    let name_keys: Vec<String> = names.iter().map(|name| fold(name)).collect();
    let urls: Vec<String> = snacks.iter().map(|snack| snack.url.clone()).collect();
    let descs: Vec<String> = snacks.iter().map(|snack| snack.desc.clone()).collect();
    let currencies: Vec<Currency> = snacks.iter().map(|snack| snack.currency).collect();
    let prices: Vec<Decimal> = snacks.iter().map(|snack| snack.price).collect();
    // In the order of names, so that two statements with the same names wait for each other and do not deadlock.
    let created = sqlx::query!(
        r#"INSERT INTO snacks (name, name_key, url, "desc", currency, price, registered_by)
           SELECT name, name_key, url, "desc", currency, price, $7
           FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::currency[], $6::numeric[])
               AS new (name, name_key, url, "desc", currency, price)
           ORDER BY name_key COLLATE "C"
           ON CONFLICT ON CONSTRAINT snacks_name_key DO NOTHING
           RETURNING name_key, uid"#,
        &names,
        &name_keys,
        &urls,
        &descs,
        &currencies as &[Currency],
        &prices,
        author
    )
    .fetch_all(connection)
    .await?;
    Ok(created.into_iter().map(|row| (row.name_key, row.uid)).collect())
}

/// # Errors
/// `not_found`; `permission_denied` unless `user` is the author or an admin.
pub async fn check_may_edit(db: &PgPool, user: &CurrentUser, uid: Uuid) -> Result<(), ApiError> {
    let author = sqlx::query_scalar!("SELECT registered_by FROM snacks WHERE uid = $1", uid)
        .fetch_optional(db)
        .await?
        .ok_or(Code::NotFound)?;
    user.may_change(author)
}

/// Change of a picture.
#[derive(Debug)]
pub enum PictureChange {
    Keep,
    Remove,
    Replace(Stored),
}

/// Changes the fields that are present. Returns the picture that was replaced or removed.
///
/// # Errors
/// `not_found`; `permission_denied` unless `user` is the author or an admin; `validation_failed` when the price does not fit the new
/// currency; `snack_name_taken`.
pub async fn edit(
    db: &PgPool,
    user: &CurrentUser,
    uid: Uuid,
    fields: &SnackFields,
    picture: &PictureChange,
) -> Result<Option<Stored>, ApiError> {
    let mut tx = db.begin().await?;
    let old = sqlx::query!(
        r#"SELECT id, registered_by, image, thumbnail, price, currency AS "currency: Currency"
           FROM snacks WHERE uid = $1 FOR NO KEY UPDATE"#,
        uid
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(Code::NotFound)?;
    user.may_change(old.registered_by)?;

    let currency = fields.currency.unwrap_or(old.currency);
    let unchanged = PriceInput::Amount(Price(old.price.normalize()));
    let price: Decimal = fields
        .price
        .as_ref()
        .unwrap_or(&unchanged)
        .within(currency)
        .map_err(|code| ApiError::invalid("price", code))?;
    let name = fields.name.as_deref().map(tidy);
    let current = old.image.zip(old.thumbnail).map(|(image, thumbnail)| Stored { image, thumbnail });
    let (new, replaced) = match picture {
        PictureChange::Keep => (current, None),
        PictureChange::Remove => (None, current),
        PictureChange::Replace(stored) => (Some(stored.clone()), current),
    };
    sqlx::query!(
        r#"UPDATE snacks SET name = coalesce($2, name), name_key = coalesce($3, name_key), url = coalesce($4, url),
               "desc" = coalesce($5, "desc"), currency = $6, price = $7, image = $8, thumbnail = $9, updated_at = now()
           WHERE id = $1"#,
        old.id,
        name,
        name.as_deref().map(fold),
        fields.url.as_deref().and_then(text::url),
        fields.desc,
        currency as Currency,
        price,
        new.as_ref().map(|picture| &picture.image),
        new.as_ref().map(|picture| &picture.thumbnail)
    )
    .execute(&mut *tx)
    .await
    .on_constraint("snacks_name_key", Code::SnackNameTaken)?;
    user.actor().log_success(&mut *tx, Action::SnackEdit, &uid.to_string()).await?;
    tx.commit().await?;
    Ok(replaced)
}

/// # Errors
/// `not_found`.
pub async fn change_status(db: &PgPool, admin: &CurrentUser, uid: Uuid, status: SnackStatus) -> Result<(), ApiError> {
    let mut tx = db.begin().await?;
    let changed =
        sqlx::query!("UPDATE snacks SET status = $2, updated_at = now() WHERE uid = $1", uid, status as SnackStatus)
            .execute(&mut *tx)
            .await?;
    if changed.rows_affected() == 0 {
        return Err(Code::NotFound.into());
    }
    let status = match status {
        SnackStatus::Available => "available",
        SnackStatus::Unavailable => "unavailable",
    };
    admin.actor().log_success(&mut *tx, Action::SnackStatusChange, &format!("{uid} {status}")).await?;
    tx.commit().await?;
    Ok(())
}
