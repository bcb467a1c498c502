//! The body of a request that registers or edits a snack: JSON, or a form with a picture.

use std::sync::Arc;

use axum::{
    extract::{
        DefaultBodyLimit, FromRef, FromRequest, FromRequestParts, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::StatusCode,
};

use super::{
    fields::SnackFields,
    image::{ImageError, MAX_BYTES},
    image_worker::{Blocks, Upload},
    state::SnackState,
    uploads::UploadPermit,
};
use crate::{
    auth::{extract::CurrentUser, state::AuthState},
    domain::money::{Currency, PriceInput},
    error::{ApiError, Code},
    http::{
        body::{self, essence},
        body_budget,
    },
};

/// Maximum size of all text fields of a form together, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// Extractor of the body. The fields are not validated yet.
pub struct SnackForm {
    pub fields: SnackFields,
    pub picture: Option<Upload>,
}

impl<S: Send + Sync> FromRequest<S> for SnackForm
where
    Arc<AuthState>: FromRef<S>,
    Arc<SnackState>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if essence(request.headers()).as_deref() == Some("multipart/form-data") {
            let (mut parts, body) = request.into_parts();
            let user = CurrentUser::from_request_parts(&mut parts, state).await?;
            let snacks = Arc::<SnackState>::from_ref(state);
            // Before the body is read, so that a request which waits takes no memory.
            let permit = snacks.image_worker.uploads.permit(user.id).await?;
            let request = Request::from_parts(parts, permit.metered(body));
            return body::in_time(read_form(request, state, permit)).await?;
        }
        let bytes = body::read(request, state).await?;
        Ok(Self { fields: body::parse(&bytes)?, picture: None })
    }
}

async fn read_form<S: Send + Sync>(request: Request, state: &S, permit: UploadPermit) -> Result<SnackForm, ApiError> {
    let mut form = open_form(request, state).await?;
    let mut fields = SnackFields::default();
    let mut picture = None;
    let mut seen = Vec::new();
    let mut text_left = MAX_TEXT;
    while let Some(mut part) = form.next_field().await.map_err(read_error)? {
        let name = part.name().unwrap_or_default().to_owned();
        if seen.contains(&name) {
            return Err(repeated_field(&name));
        }
        match name.as_str() {
            "image" => {
                let is_named = part.file_name().is_some_and(|name| !name.is_empty());
                let file = read_part(&mut part, MAX_BYTES, || ImageError::TooManyBytes.into()).await?;
                // For an empty file input browsers send no bytes and no name.
                if is_named || !file.is_empty() {
                    picture = Some(file);
                }
            }
            "name" => fields.name = Some(read_text(part, &mut text_left).await?),
            "url" => fields.url = Some(read_text(part, &mut text_left).await?),
            "desc" => fields.desc = Some(read_text(part, &mut text_left).await?),
            "price" => fields.price = Some(PriceInput::from(read_text(part, &mut text_left).await?.as_str())),
            "currency" => {
                let code = read_text(part, &mut text_left).await?;
                fields.currency = Some(Currency::from_code(&code).ok_or_else(|| {
                    ApiError::bad_request(
                        format!("{code:?}은(는) 사용할 수 없는 통화입니다."),
                        format!("Unknown currency {code:?}."),
                    )
                })?);
            }
            // Unknown fields are ignored, as in JSON.
            _ => continue,
        }
        seen.push(name);
    }
    Ok(SnackForm { fields, picture: picture.map(|file| Upload { file, permit }) })
}

pub async fn open_form<S: Send + Sync>(request: Request, state: &S) -> Result<Multipart, ApiError> {
    Multipart::from_request(request, state).await.map_err(|error| malformed_form(&error.body_text()))
}

pub fn repeated_field(name: &str) -> ApiError {
    ApiError::bad_request(format!("{name:?} 필드가 두 번 있습니다."), format!("The form has the field {name:?} twice."))
}

/// Reads a part of at most `max` bytes. A longer one is the error `too_large`.
pub async fn read_part(part: &mut Field<'_>, max: usize, too_large: impl Fn() -> ApiError) -> Result<Blocks, ApiError> {
    let mut bytes = Blocks::default();
    loop {
        match part.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= max => bytes.push(&chunk),
            Ok(Some(_)) => return Err(too_large()),
            Ok(None) => return Ok(bytes),
            // The whole form is too large, and this part has made it so.
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => return Err(too_large()),
            Err(error) => return Err(read_error(error)),
        }
    }
}

/// Reads the text of a part and subtracts its size from `bytes_left`.
async fn read_text(mut part: Field<'_>, bytes_left: &mut usize) -> Result<String, ApiError> {
    let bytes = read_part(&mut part, *bytes_left, || Code::PayloadTooLarge.into()).await?;
    *bytes_left -= bytes.len();
    let bytes = bytes.iter().collect::<Vec<_>>().concat();
    String::from_utf8(bytes).map_err(|_| malformed_form("a text field is not UTF-8"))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err needs")]
pub fn read_error(error: MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Code::PayloadTooLarge.into()
    } else if body_budget::is_exhausted(&error) {
        Code::Unavailable.into()
    } else {
        malformed_form(&error.body_text())
    }
}

fn malformed_form(problem: &str) -> ApiError {
    ApiError::bad_request("양식 데이터를 읽을 수 없습니다.", format!("The form cannot be read: {problem}."))
}

/// Limit of the body of an endpoint that accepts a picture: the picture, the text fields, and as much again for what separates them.
pub fn upload_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(MAX_BYTES + 2 * MAX_TEXT)
}
