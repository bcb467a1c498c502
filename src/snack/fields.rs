//! The fields of a snack in requests, their schemas and their validation.

use std::{borrow::Cow, marker::PhantomData};

use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Object, ObjectBuilder, RefOr, Schema, Type},
};
use validator::Validate;

use super::rules;
use crate::{
    domain::{
        money::{Currency, PriceInput},
        text,
    },
    error::{ApiError, Code, FieldError},
    http::body::non_null,
};

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
