//! The calls about snacks.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{
    form::{MAX_TEXT, NewSnackFields, NewSnackUpload, SnackFields, SnackForm, SnackUpload},
    image,
    image_worker::Upload,
    page::WrittenPage,
    store::{self, Filter, Look, ORDERINGS, PictureChange, Snack, SnackStatus},
};
use crate::{
    app::state::AppState,
    auth::{Admin, Member},
    error::{ApiError, Code},
    http::{Json, JsonText, Page, PageQuery, Query, Sorted, Uid, openapi::SNACKS, ordering_schema},
    reaction,
};

/// The status of the snacks to list.
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

/// How the list is sorted unless told otherwise.
const DEFAULT_ORDERING: &str = "-like_ratio";

fn orderings() -> utoipa::openapi::Object {
    ordering_schema(
        ORDERINGS,
        DEFAULT_ORDERING,
        "How to sort; `-` in front reverses. Snacks of equal ratio follow by more likes, fewer hates, newest.",
    )
}

/// Which snacks, and in which order.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SnacksQuery {
    /// Any part of the name, whatever its case and Unicode form.
    search: Option<String>,
    /// `available` unless told otherwise.
    #[param(inline)]
    status: Option<StatusFilter>,
    uid: Option<Uuid>,
    #[param(schema_with = orderings)]
    ordering: Option<String>,
}

/// Snacks.
#[utoipa::path(get, path = "/snacks", tag = SNACKS, params(SnacksQuery, PageQuery), responses((status = 200, body = Page<Snack>)))]
pub async fn list_snacks(
    State(state): State<AppState>,
    member: Member,
    Query(query): Query<SnacksQuery>,
    Query(page): Query<PageQuery>,
) -> Result<JsonText, ApiError> {
    let sorted = Sorted::new(ORDERINGS, DEFAULT_ORDERING, query.ordering.as_deref(), &page)?;
    let status = query.status.unwrap_or_default().status();
    let filter = Filter { search: query.search, status, uid: query.uid };
    // Whoever asks for the same page at the same time shares the statement, and no more: each sees their own reactions.
    let (key, asked) = (format!("{filter:?} {sorted:?}"), Arc::new((filter, sorted)));
    let page = state.snack_pages.ask(key, member.id, {
        let state = state.clone();
        move |viewers| {
            let (state, asked) = (state.clone(), Arc::clone(&asked));
            async move {
                let (filter, sorted) = &*asked;
                let read = state.pulse.guard(store::list(&state.db, &viewers, filter, sorted)).await;
                let (page, reactions) = read.ok_or(Code::Unavailable)??;
                let page = WrittenPage::of(&page)?;
                Ok(viewers.iter().map(|viewer| Ok(page.seen_by(*viewer, &reactions))).collect())
            }
        }
    });
    page.await.map(JsonText)
}

/// Registers a snack, with a picture when it is sent as a form.
#[utoipa::path(post, path = "/snacks", tag = SNACKS,
    request_body(content((NewSnackFields = "application/json"), (NewSnackUpload = "multipart/form-data"))),
    responses((status = 201, body = Snack, headers(("Location" = String, description = "The path of the snack.")))))]
pub async fn register_snack(
    State(state): State<AppState>,
    member: Member,
    form: SnackForm,
) -> Result<Response, ApiError> {
    let new = form.fields.into_new()?;
    let picture = save(&state, form.picture).await?;
    let uid = match store::create(&state.db, member.id, &new, picture.as_ref()).await {
        Ok(uid) => uid,
        Err(refusal) => {
            discard_refused(&state, picture.as_ref(), &refusal).await;
            return Err(refusal);
        }
    };
    let snack = store::get(&state.db, member.id, uid).await?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/snacks/{uid}"))], Json(snack)).into_response())
}

async fn save(state: &AppState, picture: Option<Upload>) -> Result<Option<image::Stored>, ApiError> {
    let Some(upload) = picture else {
        return Ok(None);
    };
    // Held until the picture is stored: until then what was made of it is in memory.
    let decoding = state.pictures.uploads.decoding(&upload.permit).await?;
    let prepared = state.pictures.prepare(&upload, &decoding).await?;
    image::store(&state.media, prepared).await.map(Some)
}

async fn discard(state: &AppState, picture: Option<&image::Stored>) {
    if let Some(picture) = picture {
        image::remove(&state.media, picture).await;
    }
}

/// Removes a picture whose row was refused. After a failure of ours nobody knows whether the row is there: the sweep removes
/// the picture later, unless it is.
async fn discard_refused(state: &AppState, picture: Option<&image::Stored>, refusal: &ApiError) {
    if refusal.code.status() < 500 {
        discard(state, picture).await;
    }
}

/// A snack with its live counts.
#[utoipa::path(get, path = "/snacks/{uid}", tag = SNACKS, params(("uid" = Uuid, Path)), responses((status = 200, body = Snack)))]
pub async fn get_snack(State(state): State<AppState>, member: Member, uid: Uid) -> Result<Json<Snack>, ApiError> {
    live(&state, member.id, uid.get()?).await.map(Json)
}

/// The snack with the counts of this moment in place of the columns'.
async fn live(state: &AppState, viewer: i64, uid: Uuid) -> Result<Snack, ApiError> {
    let looked_up = state.snacks.ask((), Look { viewer, uid }, {
        let state = state.clone();
        move |looks| {
            let state = state.clone();
            async move {
                let snacks = state.pulse.guard(store::look_up(&state.db, &looks)).await.ok_or(Code::Unavailable)??;
                let uids: Vec<Uuid> = looks.iter().map(|look| look.uid).collect();
                let counted = state.counters.believed(&uids).await;
                Ok(snacks.into_iter().zip(counted).map(|(snack, stored)| snack.map(|snack| (snack, stored))).collect())
            }
        }
    });
    let (mut snack, stored) = looked_up.await?;
    let counts = reaction::live_counts(state, uid, stored, snack.counter_epoch).await?;
    snack.like_reaction_count = counts.likes;
    snack.hate_reaction_count = counts.hates;
    snack.like_ratio = counts.ratio();
    Ok(snack)
}

/// Changes a snack: whoever registered it, and admins.
///
/// What is left out stays. `image: null` takes the picture away; a form's file takes its place.
#[utoipa::path(patch, path = "/snacks/{uid}", tag = SNACKS, params(("uid" = Uuid, Path)),
    request_body(content((SnackFields = "application/json"), (SnackUpload = "multipart/form-data"))),
    responses((status = 200, body = Snack)))]
pub async fn edit_snack(
    State(state): State<AppState>,
    member: Member,
    uid: Uid,
    form: SnackForm,
) -> Result<Json<Snack>, ApiError> {
    form.fields.check()?;
    let uid = uid.get()?;
    // Before the picture is decoded and stored; the edit itself decides again, under the row's lock.
    store::may_edit(&state.db, &member, uid).await?;
    let change = match save(&state, form.picture).await? {
        Some(stored) => PictureChange::Replace(stored),
        None if form.fields.image.0 => PictureChange::Remove,
        None => PictureChange::Keep,
    };
    match store::edit(&state.db, &member, uid, &form.fields, &change).await {
        Ok(gone) => discard(&state, gone.as_ref()).await,
        Err(refusal) => {
            if let PictureChange::Replace(stored) = &change {
                discard_refused(&state, Some(stored), &refusal).await;
            }
            return Err(refusal);
        }
    }
    live(&state, member.id, uid).await.map(Json)
}

/// What an admin decides about a snack.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({"status": "unavailable"}))]
pub struct SnackStatusChange {
    #[schema(required, value_type = SnackStatus)]
    #[serde(default, deserialize_with = "crate::http::body::present")]
    #[validate(required(code = "required"))]
    status: Option<SnackStatus>,
}

/// Makes a snack available or unavailable. Open orders of it and reactions to it go on.
#[utoipa::path(put, path = "/snacks/{uid}/status", tag = SNACKS, params(("uid" = Uuid, Path)), request_body = SnackStatusChange,
    responses((status = 200, body = Snack)))]
pub async fn change_snack_status(
    State(state): State<AppState>,
    Admin(admin): Admin,
    uid: Uid,
    Json(body): Json<SnackStatusChange>,
) -> Result<Json<Snack>, ApiError> {
    let uid = uid.get()?;
    let status = body.status.ok_or_else(|| ApiError::invalid("status", "required"))?;
    store::change_status(&state.db, &admin, uid, status).await?;
    live(&state, admin.id, uid).await.map(Json)
}

/// A picture. Its bytes never change: another picture has another path.
#[utoipa::path(get, path = "/media/{path}", tag = SNACKS, params(("path" = String, Path, description = "As in `image` and `thumbnail`.")),
    responses((status = 200, description = "The picture.", content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png")))))]
pub async fn get_picture(
    State(state): State<AppState>,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Response, ApiError> {
    let Path(path) = path.map_err(|_| Code::NotFound)?;
    let kind = image::content_type(&path).ok_or(Code::NotFound)?;
    let (size, bytes) = state.media.get(&path).await?;
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_LENGTH, HeaderValue::from(size)),
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    Ok((headers, Body::from_stream(bytes)).into_response())
}

/// Bound on the body of a call that takes a picture: the picture, the text of the other fields, and as much again for what
/// stands between them.
pub fn upload_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(image::MAX_BYTES + 2 * MAX_TEXT)
}
