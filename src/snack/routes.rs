//! Endpoints of snacks.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tokio::task::spawn_blocking;
use utoipa::{IntoParams, ToSchema, openapi::Object};
use uuid::Uuid;
use validator::Validate;

use super::{
    fields::{NewSnackFields, NewSnackUpload, SnackFields, SnackUpload},
    form::SnackForm,
    image,
    image_worker::Upload,
    import::{Import, ImportFile, ImportUpload, import},
    register::register,
    state::{SnackState, load_page, load_snack},
    store::{self, Filter, LIST, PictureChange, Snack, SnackStatus},
};
use crate::{
    auth::extract::{AdminUser, CurrentUser},
    db::locks::{Lock, is_free},
    error::{ApiError, Code},
    http::{
        body::{Json, JsonText, non_null},
        csv,
        headers::{language, wants_csv},
        openapi::SNACKS,
        pagination::{Page, PageQuery, Sorted, ordering_schema},
        path::Uid,
        query::Query,
    },
    outbox::Outbox,
};

/// Filter by status.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StatusFilter {
    #[default]
    Available,
    Unavailable,
    All,
}

impl StatusFilter {
    const fn status(self) -> Option<SnackStatus> {
        match self {
            Self::Available => Some(SnackStatus::Available),
            Self::Unavailable => Some(SnackStatus::Unavailable),
            Self::All => None,
        }
    }
}

fn orderings() -> Object {
    ordering_schema(
        LIST,
        "Sort order. A leading `-` reverses it. Snacks with equal ratio are sorted by more likes, fewer hates, newest.",
    )
}

/// Filter and sort order of snacks.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SnacksQuery {
    /// Words that the name has, in any order. Case, white space and Unicode form do not matter. Hangul is compared by its letters as they
    /// are typed, so that `새우ㄲ` finds 새우깡. A word of consonants is compared with the initial ones: `ㅅㅇㄲ`.
    search: Option<String>,
    /// `available` by default.
    #[param(inline)]
    status: Option<StatusFilter>,
    uid: Option<Uuid>,
    /// `true` for snacks that can be ordered now, `false` for the others.
    orderable: Option<bool>,
    #[param(schema_with = orderings)]
    ordering: Option<String>,
}

/// Lists snacks.
///
/// With `Accept: text/csv` the response is a file of all snacks, which can be imported.
#[utoipa::path(get, path = "/snacks", tag = SNACKS, params(SnacksQuery, PageQuery),
    responses((status = 200, content((Page<Snack> = "application/json"), (String = "text/csv")))))]
pub async fn list_snacks(
    State(snacks): State<Arc<SnackState>>,
    user: CurrentUser,
    headers: HeaderMap,
    Query(query): Query<SnacksQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Response, ApiError> {
    let sorted = Sorted::new(LIST, query.ordering.as_deref(), &page)?;
    let status = query.status.unwrap_or_default().status();
    let filter = Filter { search: query.search, status, uid: query.uid, orderable: query.orderable };
    if !wants_csv(&headers) {
        return Ok(JsonText(load_page(&snacks, user.id, filter, sorted).await?).into_response());
    }
    let filter = Arc::new(filter);
    let pages = csv::walk(sorted, move |sorted| {
        let (db, filter) = (snacks.db.clone(), Arc::clone(&filter));
        async move {
            let (page, _) = store::list(&db, &[], &filter, &sorted).await?;
            Ok((sorted, page))
        }
    });
    csv::file("snacks", pages).await
}

/// Mode of an import.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// `true` creates nothing and responds as if it did.
    #[serde(default)]
    #[param(required = false)]
    dry_run: bool,
}

/// Registers the snacks of a CSV file. Valid rows are created, the others are refused one by one. For admins.
#[utoipa::path(post, path = "/snacks/import", tag = SNACKS, params(ImportQuery),
    request_body(content((ImportUpload = "multipart/form-data"))), responses((status = 200, body = Import)))]
pub async fn import_snacks(
    State(snacks): State<Arc<SnackState>>,
    State(outbox): State<Arc<Outbox>>,
    AdminUser(admin): AdminUser,
    headers: HeaderMap,
    Query(query): Query<ImportQuery>,
    file: ImportFile,
) -> Result<Json<Import>, ApiError> {
    // On another thread, because other requests would wait for a large file.
    let rows = spawn_blocking(move || file.rows()).await.map_err(ApiError::internal)??;
    import(&snacks.db, &outbox, &admin, language(&headers), rows, query.dry_run).await.map(Json)
}

/// Registers a snack. A form may contain a picture.
#[utoipa::path(post, path = "/snacks", tag = SNACKS,
    request_body(content((NewSnackFields = "application/json"), (NewSnackUpload = "multipart/form-data"))),
    responses((status = 201, body = Snack, headers(("Location" = String, description = "Path of the snack.")))))]
pub async fn register_snack(
    State(snacks): State<Arc<SnackState>>,
    State(outbox): State<Arc<Outbox>>,
    user: CurrentUser,
    form: SnackForm,
) -> Result<Response, ApiError> {
    let new = form.fields.into_new()?;
    let picture = save(&snacks, form.picture).await?;
    match register(&snacks.db, &outbox, user.id, &new, picture.as_ref()).await {
        Ok(snack) => {
            let location = format!("/snacks/{}", snack.uid);
            Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(snack)).into_response())
        }
        Err(error) => {
            discard_after(&error, &snacks, picture.as_ref()).await;
            Err(error)
        }
    }
}

async fn save(snacks: &SnackState, picture: Option<Upload>) -> Result<Option<image::Stored>, ApiError> {
    let Some(upload) = picture else {
        return Ok(None);
    };
    // Held until the picture is stored, because its result is in memory until then.
    let decoding = snacks.image_worker.uploads.decoding(&upload.permit).await?;
    let prepared = snacks.image_worker.prepare(&upload, &decoding).await?;
    image::store(&snacks.storage, prepared).await.map(Some)
}

async fn discard(snacks: &SnackState, picture: Option<&image::Stored>) {
    if let Some(picture) = picture {
        image::remove(&snacks.storage, picture).await;
    }
}

/// Removes a picture that a snack no longer has. While a backup runs, which may copy it, it is left to the sweep.
async fn discard_replaced(snacks: &SnackState, picture: Option<&image::Stored>) {
    if picture.is_some() && matches!(is_free(&snacks.db, Lock::Backup).await, Ok(true)) {
        discard(snacks, picture).await;
    }
}

/// Removes a picture whose row was not written. After a 5xx the row may have been committed, so the picture is left to the sweep.
async fn discard_after(error: &ApiError, snacks: &SnackState, picture: Option<&image::Stored>) {
    if error.code.status() < 500 {
        discard(snacks, picture).await;
    }
}

/// Returns a snack with its current counts.
#[utoipa::path(get, path = "/snacks/{uid}", tag = SNACKS, params(("uid" = Uuid, Path)), responses((status = 200, body = Snack)))]
pub async fn get_snack(
    State(snacks): State<Arc<SnackState>>,
    user: CurrentUser,
    uid: Uid,
) -> Result<Json<Snack>, ApiError> {
    load_snack(&snacks, user.id, uid.get()?).await.map(Json)
}

/// Edits a snack. For its author and for admins.
///
/// Absent fields stay unchanged. `image: null` removes the picture; a file in a form replaces it.
#[utoipa::path(patch, path = "/snacks/{uid}", tag = SNACKS, params(("uid" = Uuid, Path)),
    request_body(content((SnackFields = "application/json"), (SnackUpload = "multipart/form-data"))),
    responses((status = 200, body = Snack)))]
pub async fn edit_snack(
    State(snacks): State<Arc<SnackState>>,
    user: CurrentUser,
    uid: Uid,
    form: SnackForm,
) -> Result<Json<Snack>, ApiError> {
    form.fields.check()?;
    let uid = uid.get()?;
    // Before the picture is decoded and stored. The edit checks again under the lock of the row.
    store::check_may_edit(&snacks.db, &user, uid).await?;
    let change = match save(&snacks, form.picture).await? {
        Some(stored) => PictureChange::Replace(stored),
        None if form.fields.image.0 => PictureChange::Remove,
        None => PictureChange::Keep,
    };
    match store::edit(&snacks.db, &user, uid, &form.fields, &change).await {
        Ok(replaced) => {
            snacks.changes.snacks([uid]);
            discard_replaced(&snacks, replaced.as_ref()).await;
        }
        Err(error) => {
            if let PictureChange::Replace(stored) = &change {
                discard_after(&error, &snacks, Some(stored)).await;
            }
            return Err(error);
        }
    }
    load_snack(&snacks, user.id, uid).await.map(Json)
}

/// New status of a snack.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"status": "unavailable"}))]
pub struct SnackStatusChange {
    #[schema(required, value_type = SnackStatus)]
    #[serde(default, deserialize_with = "non_null")]
    #[validate(required(code = "required"))]
    status: Option<SnackStatus>,
}

/// Changes the status of a snack. Its open orders and reactions are not affected.
#[utoipa::path(put, path = "/snacks/{uid}/status", tag = SNACKS, params(("uid" = Uuid, Path)), request_body = SnackStatusChange,
    responses((status = 200, body = Snack)))]
pub async fn change_snack_status(
    State(snacks): State<Arc<SnackState>>,
    AdminUser(admin): AdminUser,
    uid: Uid,
    Json(body): Json<SnackStatusChange>,
) -> Result<Json<Snack>, ApiError> {
    let uid = uid.get()?;
    let status = body.status.ok_or_else(|| ApiError::invalid("status", "required"))?;
    store::change_status(&snacks.db, &admin, uid, status).await?;
    snacks.changes.snacks([uid]);
    load_snack(&snacks, admin.id, uid).await.map(Json)
}

/// Returns a picture. The content of a path never changes.
#[utoipa::path(get, path = "/media/{path}", tag = SNACKS, params(("path" = String, Path, description = "As in `image` or `thumbnail`.")),
    responses((status = 200, description = "The picture.", content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png")))))]
pub async fn get_picture(
    State(snacks): State<Arc<SnackState>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(path) = path.map_err(|_| Code::NotFound)?;
    let content_type = image::content_type(&path).ok_or(Code::NotFound)?;
    let (size, bytes) = snacks.storage.get(&path).await?;
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_LENGTH, HeaderValue::from(size)),
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    Ok((headers, Body::from_stream(bytes)).into_response())
}
