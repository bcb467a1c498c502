//! What is sent to register or edit a snack: JSON, or a form with a picture. Both end up as a [`SnackForm`].

use std::{borrow::Cow, marker::PhantomData};

use axum::{
    extract::{
        FromRequest, FromRequestParts, Multipart, Request,
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
    image::{MAX_BYTES, Refusal},
    image_worker::{Blocks, Upload},
    uploads::UploadPermit,
};
use crate::{
    app::state::AppState,
    auth::Member,
    domain::{
        money::{Currency, PriceInput},
        text,
    },
    error::{ApiError, Code, FieldError},
    http::{
        body::{self, essence, present},
        body_budget, rules,
    },
};

/// Bytes of a form's text at the most, all fields together.
pub const MAX_TEXT: usize = 64 * 1024;

/// The fields of a snack, each of which may be left out when editing.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[schema(example = json!({"name": "새우깡", "url": "https://www.nongshim.com", "desc": "손이 가요", "currency": "KRW", "price": "1500"}))]
pub struct SnackFields {
    /// Unique, whatever its case, white space, Unicode form and invisible characters.
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 128)]
    #[serde(default, deserialize_with = "present")]
    #[validate(custom(function = rules::snack_name))]
    pub name: Option<String>,
    /// Where to buy it: `http://` or `https://` and a host, or empty. White space inside is refused, and so is a user's name or
    /// password. Stored as a URL parser writes it; a percent-encoded character counts once.
    #[schema(value_type = Option<String>, nullable = false, max_length = 2000, pattern = r"^(https?://[^\s/\\]\S*)?$")]
    #[serde(default, deserialize_with = "present")]
    #[validate(custom(function = rules::link))]
    pub url: Option<String>,
    /// A description, or empty.
    #[schema(value_type = Option<String>, nullable = false, max_length = 5000)]
    #[serde(default, deserialize_with = "present")]
    #[validate(custom(function = rules::description))]
    pub desc: Option<String>,
    /// KRW unless told otherwise.
    #[schema(value_type = Option<Currency>, nullable = false)]
    #[serde(default, deserialize_with = "present")]
    pub currency: Option<Currency>,
    /// A decimal with the digits that the currency has.
    #[schema(value_type = Option<PriceInput>, nullable = false)]
    #[serde(default, deserialize_with = "present")]
    pub price: Option<PriceInput>,
    /// Takes the picture away. A picture itself comes as a form's file.
    #[schema(schema_with = null)]
    #[serde(default, deserialize_with = "only_null")]
    pub image: RemoveImage,
}

/// Whether `image: null` was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoveImage(pub bool);

fn null() -> Object {
    let says = "`null` takes the picture away. A picture itself comes as a form's file.";
    ObjectBuilder::new().schema_type(Type::Null).description(Some(says)).build()
}

fn only_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RemoveImage, D::Error> {
    match Option::<de::IgnoredAny>::deserialize(deserializer)? {
        None => Ok(RemoveImage(true)),
        Some(_) => Err(de::Error::custom("image is null here; a picture comes as a file of a multipart form")),
    }
}

/// The same with a picture, as `multipart/form-data`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the OpenAPI document speaks of it")]
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
    /// A PNG, JPEG, WebP or GIF of at most 5 MiB and 40 megapixels.
    #[schema(format = Binary, content_media_type = "application/octet-stream", nullable = false)]
    image: Option<String>,
}

/// The schema of `T` for a snack that is new: the same fields, two of them required.
pub struct ToRegister<T>(PhantomData<T>);

/// A new snack as JSON.
pub type NewSnackFields = ToRegister<SnackFields>;
/// A new snack with a picture.
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

/// A snack as it was sent: readable, not yet held against the rules.
pub struct SnackForm {
    /// The fields.
    pub fields: SnackFields,
    /// The picture that came along.
    pub picture: Option<Upload>,
}

impl FromRequest<AppState> for SnackForm {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        if essence(request.headers()).as_deref() == Some("multipart/form-data") {
            let (mut parts, body) = request.into_parts();
            let member = Member::from_request_parts(&mut parts, state).await?;
            // Before any of the body is read: what waits here has taken no memory.
            let permit = state.pictures.uploads.permit(member.id).await?;
            let request = Request::from_parts(parts, permit.metered(body));
            return body::in_time(read_form(request, state, permit)).await?;
        }
        let bytes = body::read(request, state).await?;
        Ok(Self { fields: body::parse(&bytes)?, picture: None })
    }
}

async fn read_form(request: Request, state: &AppState, permit: UploadPermit) -> Result<SnackForm, ApiError> {
    let mut form = Multipart::from_request(request, state).await.map_err(ApiError::unreadable)?;
    let mut fields = SnackFields::default();
    let mut picture = None;
    let mut seen = Vec::new();
    let mut room = MAX_TEXT;
    while let Some(mut part) = form.next_field().await.map_err(unreadable)? {
        let name = part.name().unwrap_or_default().to_owned();
        if seen.contains(&name) {
            return Err(ApiError::unreadable(format_args!("the field {name:?} is there twice")));
        }
        match name.as_str() {
            "image" => {
                let is_named = part.file_name().is_some_and(|name| !name.is_empty());
                let file = read_part(&mut part, MAX_BYTES, || Refusal::TooManyBytes.into()).await?;
                // For a file input that was left empty browsers send no bytes and no name.
                if is_named || !file.is_empty() {
                    picture = Some(file);
                }
            }
            "name" => fields.name = Some(read_text(part, &mut room).await?),
            "url" => fields.url = Some(read_text(part, &mut room).await?),
            "desc" => fields.desc = Some(read_text(part, &mut room).await?),
            "price" => fields.price = Some(PriceInput::from(read_text(part, &mut room).await?.as_str())),
            "currency" => {
                let code = read_text(part, &mut room).await?;
                let currency = Currency::ALL.into_iter().find(|currency| currency.code() == code);
                fields.currency =
                    Some(currency.ok_or_else(|| ApiError::unreadable(format_args!("unknown currency {code:?}")))?);
            }
            // What is not known is passed over, as in JSON, however often it is there.
            _ => continue,
        }
        seen.push(name);
    }
    Ok(SnackForm { fields, picture: picture.map(|file| Upload { file, permit }) })
}

/// The bytes of a part; `too_large` as soon as there are more than `most`.
async fn read_part(part: &mut Field<'_>, most: usize, too_large: impl Fn() -> ApiError) -> Result<Blocks, ApiError> {
    let mut bytes = Blocks::default();
    loop {
        match part.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= most => bytes.push(&chunk),
            Ok(Some(_)) => return Err(too_large()),
            Ok(None) => return Ok(bytes),
            // The whole form is larger than its parts may be together, and this is the part that made it so.
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => return Err(too_large()),
            Err(error) => return Err(unreadable(error)),
        }
    }
}

/// The text of a part, which takes its bytes from `room`.
async fn read_text(mut part: Field<'_>, room: &mut usize) -> Result<String, ApiError> {
    let bytes = read_part(&mut part, *room, || Code::PayloadTooLarge.into()).await?;
    *room -= bytes.len();
    let bytes = bytes.iter().collect::<Vec<_>>().concat();
    String::from_utf8(bytes).map_err(ApiError::unreadable)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn unreadable(error: MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Code::PayloadTooLarge.into()
    } else if body_budget::is_exhausted(&error) {
        Code::Unavailable.into()
    } else {
        ApiError::unreadable(error.body_text())
    }
}

/// A snack to be registered, complete and consistent.
#[derive(Debug)]
pub struct NewSnack {
    /// As it was typed.
    pub name: String,
    /// Where to buy it, or empty.
    pub url: String,
    /// A description, or empty.
    pub desc: String,
    /// The currency of the price.
    pub currency: Currency,
    /// The price, with no more digits than the currency has.
    pub price: rust_decimal::Decimal,
}

impl SnackFields {
    /// Holds the fields that are there against their rules. Where no currency is given, a price has to fit one of them;
    /// whether it fits the snack's own is for [`super::store::edit`] to say.
    ///
    /// # Errors
    /// `validation_failed` with every field that breaks one.
    pub fn check(&self) -> Result<(), ApiError> {
        let errors = self.broken(self.currency.unwrap_or(Currency::FINEST));
        if errors.is_empty() { Ok(()) } else { Err(Code::ValidationFailed.on(errors)) }
    }

    /// Every field that is there and breaks a rule; the price, those of `currency`.
    fn broken(&self, currency: Currency) -> Vec<FieldError> {
        let mut errors = self.validate().err().map_or_else(Vec::new, |errors| ApiError::from(errors).errors);
        let price = self.price.as_ref().and_then(|price| price.within(currency).err());
        errors.extend(price.map(|code| FieldError::new("price", code)));
        errors
    }

    /// The fields of a new snack.
    ///
    /// # Errors
    /// `validation_failed` with every field that breaks a rule, is missing, or does not fit the currency.
    pub fn into_new(self) -> Result<NewSnack, ApiError> {
        let currency = self.currency.unwrap_or_default();
        let mut errors = self.broken(currency);
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
                Err(Code::ValidationFailed.on(errors))
            }
        }
    }
}
