//! The body of a request that registers or edits a snack: JSON, or a form with a picture.

use std::{borrow::Cow, marker::PhantomData, sync::Arc};

use axum::{
    extract::{
        DefaultBodyLimit, FromRef, FromRequest, FromRequestParts, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::StatusCode,
};
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Object, ObjectBuilder, RefOr, Schema, Type},
};
use validator::Validate;

use super::{
    image::{ImageError, MAX_BYTES},
    image_worker::{Blocks, Upload},
    rules,
    state::SnackState,
    uploads::UploadPermit,
};
use crate::{
    auth::{extract::CurrentUser, state::AuthState},
    domain::{
        money::{Currency, PriceInput},
        text,
    },
    error::{ApiError, Code, FieldError},
    http::{
        body::{self, essence, non_null},
        body_budget,
    },
};

/// Maximum size of all text fields of a form together, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// Fields of a snack. When a snack is edited, absent fields stay unchanged.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[schema(example = json!({"name": "새우깡", "url": "https://www.nongshim.com", "desc": "손이 가요", "currency": "KRW", "price": "1500"}))]
pub struct SnackFields {
    /// Unique, ignoring case, white space, Unicode form and invisible characters.
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 128)]
    #[serde(default, deserialize_with = "non_null")]
    #[validate(custom(function = rules::name))]
    pub name: Option<String>,
    /// Page of a shop, or empty. An `http://` or `https://` URL with a host, without white space, user name and password. Stored in the
    /// form of a URL parser. A percent-encoded character counts as one.
    #[schema(value_type = Option<String>, nullable = false, max_length = 2000, pattern = r"^(https?://[^\s/\\]\S*)?$")]
    #[serde(default, deserialize_with = "non_null")]
    #[validate(custom(function = rules::url))]
    pub url: Option<String>,
    /// Description, or empty.
    #[schema(value_type = Option<String>, nullable = false, max_length = 5000)]
    #[serde(default, deserialize_with = "non_null")]
    #[validate(custom(function = rules::description))]
    pub desc: Option<String>,
    /// KRW by default.
    #[schema(value_type = Option<Currency>, nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    pub currency: Option<Currency>,
    /// Decimal with no more digits than the currency has.
    #[schema(value_type = Option<PriceInput>, nullable = false)]
    #[serde(default, deserialize_with = "non_null")]
    pub price: Option<PriceInput>,
    /// `null` removes the picture. A picture is sent as a file of a form.
    #[schema(schema_with = null)]
    #[serde(default, deserialize_with = "only_null")]
    pub image: RemoveImage,
}

/// `true` if `image: null` was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoveImage(pub bool);

fn null() -> Object {
    let description = "`null` removes the picture. A picture is sent as a file of a form.";
    ObjectBuilder::new().schema_type(Type::Null).description(Some(description)).build()
}

fn only_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RemoveImage, D::Error> {
    match Option::<de::IgnoredAny>::deserialize(deserializer)? {
        None => Ok(RemoveImage(true)),
        Some(_) => Err(de::Error::custom("image must be null here; send a picture as a file of a multipart form")),
    }
}

/// Fields and picture of a snack.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub struct SnackUpload {
    #[schema(nullable = false, min_length = 1, max_length = 128)]
    name: Option<String>,
    #[schema(nullable = false, max_length = 2000, pattern = r"^(https?://[^\s/\\]\S*)?$")]
    url: Option<String>,
    #[schema(nullable = false, max_length = 5000)]
    desc: Option<String>,
    #[schema(nullable = false)]
    currency: Option<Currency>,
    #[schema(nullable = false, pattern = "^[0-9]{1,12}([.][0-9]{1,2})?$", example = "1500")]
    price: Option<String>,
    /// PNG, JPEG, WebP or GIF of at most 5 MiB and 40 megapixels.
    #[schema(format = Binary, content_media_type = "application/octet-stream", nullable = false)]
    image: Option<String>,
}

/// Schema of `T` for a new snack, with two fields required.
pub struct ToRegister<T>(PhantomData<T>);

pub type NewSnackFields = ToRegister<SnackFields>;
pub type NewSnackUpload = ToRegister<SnackUpload>;

impl<T: PartialSchema> PartialSchema for ToRegister<T> {
    fn schema() -> RefOr<Schema> {
        let mut schema = T::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required = vec!["name".to_owned(), "price".to_owned()];
        }
        schema
    }
}

impl<T: ToSchema> ToSchema for ToRegister<T> {
    fn name() -> Cow<'static, str> {
        format!("New{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
    }
}

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
    let mut form = Multipart::from_request(request, state).await.map_err(|error| malformed_form(error.body_text()))?;
    let mut fields = SnackFields::default();
    let mut picture = None;
    let mut seen = Vec::new();
    let mut text_left = MAX_TEXT;
    while let Some(mut part) = form.next_field().await.map_err(read_error)? {
        let name = part.name().unwrap_or_default().to_owned();
        if seen.contains(&name) {
            return Err(ApiError::bad_request(
                format!("{name:?} 필드가 두 번 있습니다."),
                format!("The form has the field {name:?} twice."),
            ));
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
                let currency = Currency::ALL.into_iter().find(|currency| currency.code() == code);
                fields.currency = Some(currency.ok_or_else(|| {
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

/// Reads a part of at most `max` bytes. A longer one is the error `too_large`.
async fn read_part(part: &mut Field<'_>, max: usize, too_large: impl Fn() -> ApiError) -> Result<Blocks, ApiError> {
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
    String::from_utf8(bytes).map_err(|_| malformed_form("a text field is not UTF-8".to_owned()))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err needs")]
fn read_error(error: MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Code::PayloadTooLarge.into()
    } else if body_budget::is_exhausted(&error) {
        Code::Unavailable.into()
    } else {
        malformed_form(error.body_text())
    }
}

fn malformed_form(problem: String) -> ApiError {
    ApiError::bad_request("양식 데이터를 읽을 수 없습니다.", format!("The form cannot be read: {problem}."))
}

/// Limit of the body of an endpoint that accepts a picture: the picture, the text fields, and as much again for what separates them.
pub fn upload_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(MAX_BYTES + 2 * MAX_TEXT)
}

/// Valid fields of a new snack.
#[derive(Debug)]
pub struct NewSnack {
    /// As typed.
    pub name: String,
    /// Page of a shop, or empty.
    pub url: String,
    /// Description, or empty.
    pub desc: String,
    pub currency: Currency,
    pub price: rust_decimal::Decimal,
}

impl SnackFields {
    /// Validates the fields that are present. Without a currency the price has to fit one of the currencies; the edit checks the one
    /// of the snack.
    ///
    /// # Errors
    /// `validation_failed` with all invalid fields.
    pub fn check(&self) -> Result<(), ApiError> {
        let errors = self.invalid_fields(self.currency.unwrap_or(Currency::FINEST));
        if errors.is_empty() { Ok(()) } else { Err(Code::ValidationFailed.with_fields(errors)) }
    }

    /// Invalid fields among those that are present. The price has to fit `currency`.
    fn invalid_fields(&self, currency: Currency) -> Vec<FieldError> {
        let mut errors = self.validate().err().map_or_else(Vec::new, |errors| ApiError::from(errors).errors);
        let price = self.price.as_ref().and_then(|price| price.within(currency).err());
        errors.extend(price.map(|code| FieldError::new("price", code)));
        errors
    }

    /// # Errors
    /// `validation_failed` with all invalid and missing fields.
    pub fn into_new(self) -> Result<NewSnack, ApiError> {
        let currency = self.currency.unwrap_or_default();
        let mut errors = self.invalid_fields(currency);
        if self.name.is_none() {
            errors.push(FieldError::new("name", "required"));
        }
        match self.price.as_ref().map(|price| price.within(currency)) {
            Some(Ok(price)) if errors.is_empty() => Ok(NewSnack {
                name: self.name.unwrap_or_default(),
                url: self.url.as_deref().and_then(text::url).unwrap_or_default(),
                desc: self.desc.unwrap_or_default(),
                currency,
                price,
            }),
            price => {
                if price.is_none() {
                    errors.push(FieldError::new("price", "required"));
                }
                Err(Code::ValidationFailed.with_fields(errors))
            }
        }
    }
}
