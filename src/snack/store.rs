//! Snacks in Postgres.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::{Executor, FromRow, PgConnection, PgPool, QueryBuilder, Row, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    form::{NewSnack, SnackFields},
    image::Stored,
};
use crate::{
    audit::log::Action,
    auth::Member,
    domain::{
        money::{Currency, Price, PriceInput},
        text::{self, fold, like_pattern, tidy},
        user_summary::Person,
    },
    error::{ApiError, Code, OnConstraint},
    http::{Ordering, Page, Sorted, pagination::HasKey},
    reaction::ReactionType,
};

/// Whether a snack can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "snack_status", rename_all = "lowercase")]
pub enum SnackStatus {
    /// It can.
    Available,
    /// It cannot; open orders of it and reactions to it go on.
    Unavailable,
}

/// A snack as one user sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Snack {
    /// Its name in URLs.
    pub uid: Uuid,
    /// Unique, whatever its case, white space, Unicode form and invisible characters.
    #[schema(example = "새우깡")]
    pub name: String,
    /// Where to buy it, or empty.
    #[schema(example = "https://www.nongshim.com")]
    pub url: String,
    /// A description, or empty.
    pub desc: String,
    /// The path of its picture.
    #[schema(required, example = "/media/7b0d4a6d-99fe-4bbc-ba70-e09084cf3b5f.jpg")]
    pub image: Option<String>,
    /// The path of the same picture, small.
    #[schema(required, example = "/media/7b0d4a6d-99fe-4bbc-ba70-e09084cf3b5f-small.jpg")]
    pub thumbnail: Option<String>,
    /// The currency of its price.
    pub currency: Currency,
    /// A decimal with the digits that the currency has.
    #[schema(example = "1500")]
    pub price: String,
    /// Whether it can be ordered.
    pub status: SnackStatus,
    /// How many like it. In lists the figure may trail by two flush intervals.
    pub like_reaction_count: i32,
    /// How many hate it. In lists the figure may trail by two flush intervals.
    pub hate_reaction_count: i32,
    /// Likes by hates; the likes where nobody hates it; 1 where nobody has rated it.
    pub like_ratio: f64,
    /// Who registered it.
    #[schema(required)]
    pub registered_by: Option<Person>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was last edited.
    pub updated_at: DateTime<Utc>,
    /// The caller's own reaction. The last field: [`super::page`] puts it to what is the same for everybody.
    #[schema(required)]
    pub my_reaction: Option<ReactionType>,
    /// The row's number.
    #[serde(skip)]
    pub id: i64,
    /// The epoch of the counts; tells whether Redis knows better.
    #[serde(skip)]
    pub counter_epoch: i64,
    #[serde(skip)]
    cursor_key: Vec<String>,
}

impl HasKey for Snack {
    const LIST: &str = "snacks";

    fn cursor_key(&self) -> &[String] {
        &self.cursor_key
    }
}

/// Where `path` below the media store is reached.
#[must_use]
pub fn media_url(path: Option<String>) -> Option<String> {
    path.map(|path| format!("/media/{path}"))
}

impl<'r> FromRow<'r, PgRow> for Snack {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let currency: Currency = row.try_get("currency")?;
        let registered_by = match (row.try_get("registered_by_id")?, row.try_get("registered_by_name")?) {
            (Some(id), Some(name)) => Some(Person { id, name }),
            _ => None,
        };
        Ok(Self {
            uid: row.try_get("uid")?,
            name: row.try_get("name")?,
            url: row.try_get("url")?,
            desc: row.try_get("desc")?,
            image: media_url(row.try_get("image")?),
            thumbnail: media_url(row.try_get("thumbnail")?),
            currency,
            price: currency.format(row.try_get("price")?),
            status: row.try_get("status")?,
            like_reaction_count: row.try_get("like_reaction_count")?,
            hate_reaction_count: row.try_get("hate_reaction_count")?,
            like_ratio: row.try_get("like_ratio")?,
            registered_by,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            my_reaction: None,
            id: row.try_get("id")?,
            counter_epoch: row.try_get("counter_epoch")?,
            cursor_key: row.try_get("cursor_key").unwrap_or_default(),
        })
    }
}

/// How the list of snacks can be sorted.
pub const ORDERINGS: &[Ordering] = &[
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
];

/// The one SELECT list for a [`Snack`]: what everybody sees of it. What the caller thinks of it comes by [`reactions`].
const SNACK: &str = r#"SELECT s.id, s.uid, s.name, s.url, s."desc", s.image, s.thumbnail, s.currency, s.price, s.status,
    s.like_reaction_count, s.hate_reaction_count, s.like_ratio, s.counter_epoch, s.created_at, s.updated_at,
    person.id AS registered_by_id, person.name AS registered_by_name"#;

/// The tables that [`SNACK`] speaks of.
const FROM: &str = " FROM snacks AS s LEFT JOIN users AS person ON person.id = s.registered_by";

/// Which snacks to list.
#[derive(Debug)]
pub struct Filter {
    /// A part of the name.
    pub search: Option<String>,
    /// Only those of this status.
    pub status: Option<SnackStatus>,
    /// Only this one.
    pub uid: Option<Uuid>,
}

/// What users think of snacks, by user and the snack's row.
pub type Reactions = HashMap<(i64, i64), ReactionType>;

/// One page of snacks, and what each of `viewers` thinks of them.
///
/// # Errors
/// Postgres out of reach.
pub async fn list(
    db: &PgPool,
    viewers: &[i64],
    filter: &Filter,
    sorted: &Sorted<Snack>,
) -> Result<(Page<Snack>, Reactions), ApiError> {
    let mut sql = QueryBuilder::new(SNACK);
    sorted.push_key(&mut sql);
    sql.push(FROM).push(" WHERE true");
    if let Some(search) = &filter.search {
        let part = fold(search);
        if (1..3).contains(&part.chars().count()) {
            // Trigrams find no part as short as this. The second condition excludes nothing: without it Postgres thinks that too
            // many snacks have a rare part, and reads through all there are in the list's order.
            sql.push(" AND s.short_parts @> ARRAY[").push_bind(part.clone()).push("]");
            sql.push(" AND sign(strpos(s.name_key, ").push_bind(part).push(")) = 1");
        } else {
            sql.push(" AND s.name_key LIKE ").push_bind(like_pattern(search));
        }
    }
    if let Some(status) = filter.status {
        // Said in the text of the statement: Postgres can then plan it once and for all, knowing which.
        sql.push(match status {
            SnackStatus::Available => " AND s.status = 'available'",
            SnackStatus::Unavailable => " AND s.status = 'unavailable'",
        });
    }
    if let Some(uid) = filter.uid {
        sql.push(" AND s.uid = ").push_bind(uid);
    }
    sorted.push_after(&mut sql, "AND");
    sorted.push_order(&mut sql);
    let mut connection = db.acquire().await?;
    // A kept plan knows no parameters and takes every part of a name for a rare one. Should the RESET be missed, statements of
    // this connection are planned more often, and nothing else.
    if filter.search.is_some() {
        connection.execute(sqlx::raw_sql("SET plan_cache_mode = force_custom_plan")).await?;
    }
    let page = sorted.page(sql.build_query_as().fetch_all(&mut *connection).await?);
    if filter.search.is_some() {
        connection.execute(sqlx::raw_sql("RESET plan_cache_mode")).await?;
    }
    let snacks = page.results.iter().map(|snack: &Snack| snack.id).collect();
    let reactions = reactions(&mut connection, viewers.to_vec(), snacks).await?;
    Ok((page, reactions))
}

/// A snack that somebody looks at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Who.
    pub viewer: i64,
    /// Which snack.
    pub uid: Uuid,
}

/// The snacks that `looks` ask for, with the counts of the statistics columns; `not_found` where there is none.
///
/// # Errors
/// Postgres out of reach.
pub async fn look_up(db: &PgPool, looks: &[Look]) -> Result<Vec<Result<Snack, ApiError>>, ApiError> {
    let uids: Vec<Uuid> = looks.iter().map(|look| look.uid).collect();
    let viewers: Vec<i64> = looks.iter().map(|look| look.viewer).collect();
    let mut sql = QueryBuilder::new(SNACK);
    // Without (SELECT ...) Postgres sees how many there are, and plans anew each time.
    sql.push(", mine.type AS my_reaction, look.number").push(FROM).push(" JOIN unnest((SELECT ").push_bind(uids);
    sql.push("::uuid[]), (SELECT ")
        .push_bind(viewers)
        .push("::bigint[])) WITH ORDINALITY AS look (uid, viewer, number)");
    sql.push(" ON look.uid = s.uid");
    sql.push(" LEFT JOIN snack_reactions AS mine ON mine.snack_id = s.id AND mine.user_id = look.viewer");
    let mut found: Vec<Result<Snack, ApiError>> = looks.iter().map(|_| Err(Code::NotFound.into())).collect();
    for row in sql.build().fetch_all(db).await? {
        let Some(at) = usize::try_from(row.try_get::<i64, _>("number")?).ok().and_then(|number| number.checked_sub(1))
        else {
            continue;
        };
        found[at] = Ok(Snack { my_reaction: row.try_get("my_reaction")?, ..Snack::from_row(&row)? });
    }
    Ok(found)
}

/// The snack `uid` as `viewer` sees it, with the counts of the statistics columns.
///
/// # Errors
/// `not_found` when there is none.
pub async fn get(db: &PgPool, viewer: i64, uid: Uuid) -> Result<Snack, ApiError> {
    look_up(db, &[Look { viewer, uid }]).await?.pop().unwrap_or_else(|| Err(Code::NotFound.into()))
}

/// What `viewers` think of `snacks`.
async fn reactions(
    connection: &mut PgConnection,
    mut viewers: Vec<i64>,
    mut snacks: Vec<i64>,
) -> Result<Reactions, ApiError> {
    for ids in [&mut viewers, &mut snacks] {
        ids.sort_unstable();
        ids.dedup();
    }
    // Without unnest Postgres sees how many there are, and plans anew each time.
    let rows = sqlx::query!(
        r#"SELECT user_id, snack_id, type AS "reaction: ReactionType" FROM snack_reactions
           WHERE snack_id = ANY(ARRAY(SELECT unnest($1::bigint[]))) AND user_id = ANY(ARRAY(SELECT unnest($2::bigint[])))"#,
        &snacks,
        &viewers
    );
    let rows = rows.fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| ((row.user_id, row.snack_id), row.reaction)).collect())
}

/// Registers a snack and returns its uid.
///
/// # Errors
/// `snack_name_taken`.
pub async fn create(db: &PgPool, author: i64, snack: &NewSnack, picture: Option<&Stored>) -> Result<Uuid, ApiError> {
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
    .on_constraint("snacks_name_key", || Code::SnackNameTaken.into())
}

/// Lets `member` pass when they may change the snack `uid`.
///
/// # Errors
/// `not_found`; `permission_denied` for somebody else's.
pub async fn may_edit(db: &PgPool, member: &Member, uid: Uuid) -> Result<(), ApiError> {
    let author = sqlx::query_scalar!("SELECT registered_by FROM snacks WHERE uid = $1", uid)
        .fetch_optional(db)
        .await?
        .ok_or(Code::NotFound)?;
    member.may_change(author)
}

/// What becomes of a snack's picture.
#[derive(Debug)]
pub enum PictureChange {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// This one takes its place.
    Replace(Stored),
}

/// Changes the fields that are given, for whoever registered the snack and for admins. Returns the picture that nothing
/// refers to any more.
///
/// # Errors
/// `not_found`; `permission_denied`; `validation_failed` when the price does not fit the currency that results;
/// `snack_name_taken`.
pub async fn edit(
    db: &PgPool,
    member: &Member,
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
    member.may_change(old.registered_by)?;

    let currency = fields.currency.unwrap_or(old.currency);
    let unchanged = PriceInput::Amount(Price(old.price.normalize()));
    let price: Decimal = fields
        .price
        .as_ref()
        .unwrap_or(&unchanged)
        .within(currency)
        .map_err(|code| ApiError::invalid("price", code))?;
    let name = fields.name.as_deref().map(tidy);
    let gone = old.image.zip(old.thumbnail).map(|(image, thumbnail)| Stored { image, thumbnail });
    let (kept, gone) = match picture {
        PictureChange::Keep => (gone, None),
        PictureChange::Remove => (None, gone),
        PictureChange::Replace(stored) => (Some(stored.clone()), gone),
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
        kept.as_ref().map(|picture| &picture.image),
        kept.as_ref().map(|picture| &picture.thumbnail)
    )
    .execute(&mut *tx)
    .await
    .on_constraint("snacks_name_key", || Code::SnackNameTaken.into())?;
    member.actor().did(&mut *tx, Action::SnackEdit, &uid.to_string()).await?;
    tx.commit().await?;
    Ok(gone)
}

/// Makes a snack available or unavailable.
///
/// # Errors
/// `not_found`.
pub async fn change_status(db: &PgPool, admin: &Member, uid: Uuid, status: SnackStatus) -> Result<(), ApiError> {
    let mut tx = db.begin().await?;
    let changed =
        sqlx::query!("UPDATE snacks SET status = $2, updated_at = now() WHERE uid = $1", uid, status as SnackStatus)
            .execute(&mut *tx)
            .await?;
    if changed.rows_affected() == 0 {
        return Err(Code::NotFound.into());
    }
    let became = match status {
        SnackStatus::Available => "available",
        SnackStatus::Unavailable => "unavailable",
    };
    admin.actor().did(&mut *tx, Action::SnackStatusChange, &format!("{uid} {became}")).await?;
    tx.commit().await?;
    Ok(())
}
