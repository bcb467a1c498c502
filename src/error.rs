//! Everything that can be told to a client as an error: one type, one table of codes.
//!
//! A handler returns [`ApiError`]; it becomes a response without a body that carries a [`Problem`]. The layer in
//! [`crate::http::problem`] writes the problem out in the client's language, as it does for refusals that axum itself
//! makes (an unknown route, a wrong method).

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use validator::{ValidationErrors, ValidationErrorsKind};

use crate::db::watchdog;

/// SQLSTATE of a write in a read-only transaction.
const READ_ONLY: &str = "25006";
/// SQLSTATE of a statement that waited for a lock longer than `lock_timeout`.
const LOCK_TIMEOUT: &str = "55P03";

/// A sentence for people in the languages that the server speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Korean, the default.
    pub ko: Cow<'static, str>,
    /// English.
    pub en: Cow<'static, str>,
}

impl Text {
    /// A text from its two spellings.
    pub fn new(ko: impl Into<Cow<'static, str>>, en: impl Into<Cow<'static, str>>) -> Self {
        Self { ko: ko.into(), en: en.into() }
    }
}

macro_rules! codes {
    ($($variant:ident $status:literal $name:literal $ko:literal $en:literal)*) => {
        /// The stable, machine-readable reasons of the contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $en] $variant,)* }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The HTTP status that goes with the code.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$variant => $status,)* } }

            /// The code as programs read it.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)* } }

            /// The sentence for people, where the call has nothing more exact to say.
            #[must_use]
            pub fn text(self) -> Text { match self { $(Self::$variant => Text::new($ko, $en),)* } }
        }
    };
}

codes! {
    InvalidRequest 400 "invalid_request" "요청을 읽을 수 없습니다." "The request cannot be read."
    ValidationFailed 400 "validation_failed" "입력한 값을 확인해 주세요." "Some fields are missing or break a rule."
    UnknownSnack 400 "unknown_snack" "존재하지 않는 간식이 있습니다." "There is no such snack."
    DuplicateSnack 400 "duplicate_snack" "같은 간식이 두 번 들어 있습니다." "One snack is in the request twice."
    EstimatedArrivalTimeRequired 400 "estimated_arrival_time_required" "도착 예정 시간이 필요합니다." "An estimated arrival time is needed."
    NotAuthenticated 401 "not_authenticated" "로그인이 필요합니다." "Sign in first."
    InvalidToken 401 "invalid_token" "토큰이 유효하지 않거나 만료되었습니다." "The token is invalid, expired or revoked."
    InvalidCredentials 401 "invalid_credentials" "이메일 또는 비밀번호가 올바르지 않습니다." "The email or the password is wrong."
    PermissionDenied 403 "permission_denied" "권한이 없습니다." "You are not allowed to do this."
    NotFound 404 "not_found" "찾을 수 없습니다." "There is nothing here."
    ReactionNotFound 404 "reaction_not_found" "취소할 reaction 이 없습니다." "There is no reaction to take back."
    MethodNotAllowed 405 "method_not_allowed" "허용되지 않는 메서드입니다." "This method is not allowed here."
    EmailTaken 409 "email_taken" "이미 가입된 이메일입니다." "This email is taken."
    EmailResigned 409 "email_resigned" "탈퇴한 회원의 이메일입니다." "This email belongs to a member who resigned."
    UserResigned 409 "user_resigned" "탈퇴한 회원입니다." "This user has resigned."
    LastAdmin 409 "last_admin" "마지막 관리자입니다." "This is the last active admin."
    SnackNameTaken 409 "snack_name_taken" "이미 등록된 간식 이름입니다." "A snack of this name is registered already."
    DuplicateReaction 409 "duplicate_reaction" "중복해서 reaction 을 남길 수 없습니다." "You have left this reaction already."
    SnackUnavailable 409 "snack_unavailable" "주문할 수 없는 간식이 있습니다." "A snack cannot be ordered at present."
    SnackAlreadyRequested 409 "snack_already_requested" "이미 주문 중인 간식이 있습니다." "A snack is in an open order already."
    OrderNotEditable 409 "order_not_editable" "승인 대기 중인 주문만 수정할 수 있습니다." "Only an order that is still created can be edited."
    InvalidTransition 409 "invalid_transition" "주문 상태를 바꿀 수 없습니다." "The order cannot go to this status."
    HatedSnack 409 "hated_snack" "싫어요가 좋아요보다 많은 간식이 있습니다." "A snack has more hates than likes."
    IdempotencyKeyReused 409 "idempotency_key_reused" "Idempotency-Key 가 다른 요청에 이미 쓰였습니다." "This Idempotency-Key was used with another body."
    PreconditionFailed 412 "precondition_failed" "그사이에 주문이 바뀌었습니다." "The order has changed in the meantime."
    PayloadTooLarge 413 "payload_too_large" "요청이 너무 큽니다." "The request is too large."
    UnsupportedMediaType 415 "unsupported_media_type" "지원하지 않는 형식입니다." "This media type is not supported."
    TooManyRequests 429 "too_many_requests" "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요." "Too many requests; try again later."
    Internal 500 "internal_error" "서버에 문제가 생겼습니다." "Something went wrong on the server."
    Unavailable 503 "unavailable" "잠시 후 다시 시도해 주세요." "Temporarily unavailable; try again shortly."
}

impl Code {
    /// The code that stands for a status which something other than our handlers answered with.
    #[must_use]
    pub fn for_status(status: StatusCode) -> Self {
        match status.as_u16() {
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            413 => Self::PayloadTooLarge,
            415 => Self::UnsupportedMediaType,
            429 => Self::TooManyRequests,
            503 => Self::Unavailable,
            500.. => Self::Internal,
            _ => Self::InvalidRequest,
        }
    }

    /// With a sentence more exact than the code's own.
    #[must_use]
    pub fn because(self, detail: Text) -> ApiError {
        ApiError { detail, ..self.into() }
    }

    /// With the fields that are to blame.
    #[must_use]
    pub fn on(self, errors: Vec<FieldError>) -> ApiError {
        ApiError { errors, ..self.into() }
    }
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where: `email`, `snacks[2].quantity`.
    pub field: String,
    /// The broken rule, for programs.
    pub code: Cow<'static, str>,
    /// The broken rule, for people.
    pub message: Text,
}

impl FieldError {
    /// A broken rule that needs no figures to be told.
    #[must_use]
    pub fn new(field: impl Into<String>, code: &'static str) -> Self {
        Self { field: field.into(), code: code.into(), message: rule_text(code, "") }
    }
}

/// The sentence for a broken rule; `bound` is the figure that it speaks of.
fn rule_text(code: &str, bound: &str) -> Text {
    match code {
        "required" => Text::new("필수 항목입니다.", "This field is required."),
        "blank" => Text::new("비워 둘 수 없습니다.", "This field must not be blank."),
        "too_short" => Text::new(format!("{bound}자 이상이어야 합니다."), format!("At least {bound} characters.")),
        "too_long" => Text::new(format!("{bound}자 이하여야 합니다."), format!("At most {bound} characters.")),
        "too_common" => Text::new("너무 흔한 비밀번호입니다.", "Everybody knows this password."),
        "too_personal" => {
            Text::new("이메일이나 이름으로 만든 비밀번호는 쓸 수 없습니다.", "This is made of the email or the name.")
        }
        "item_count" => Text::new(format!("{bound}개여야 합니다."), format!("There must be {bound} of them.")),
        "out_of_range" => Text::new(format!("{bound} 범위여야 합니다."), format!("Must be within {bound}.")),
        "invalid_email" => Text::new("올바른 이메일이 아닙니다.", "This is not an email address."),
        "invalid_url" => Text::new(
            "http:// 또는 https:// 로 시작하고 공백이 없는 주소여야 합니다.",
            "Enter one address that begins with http:// or https://, without spaces.",
        ),
        "invalid_character" => Text::new(
            "줄바꿈 등 보이지 않는 제어 문자는 쓸 수 없습니다.",
            "Remove line breaks and other control characters.",
        ),
        "invalid_amount" => Text::new("올바른 금액이 아닙니다.", "This is not an amount of money."),
        "negative" => Text::new("0 이상이어야 합니다.", "This must not be negative."),
        "too_many_digits" => {
            Text::new("이 통화에서 쓸 수 없는 자릿수입니다.", "This has more digits than the currency has.")
        }
        "too_many_bytes" => Text::new("사진 파일은 5 MiB까지 올릴 수 있습니다.", "A picture may have at most 5 MiB."),
        "too_many_pixels" => Text::new(
            "사진은 4,000만 화소(40메가픽셀)까지 올릴 수 있습니다.",
            "A picture may have at most 40 megapixels.",
        ),
        "unsupported_picture" => {
            Text::new("PNG, JPEG, WebP, GIF 사진만 올릴 수 있습니다.", "Choose a PNG, JPEG, WebP or GIF picture.")
        }
        "damaged_picture" => Text::new(
            "사진 파일이 손상되었거나 잘렸습니다. 온전한 PNG, JPEG, WebP, GIF 파일을 골라 주세요.",
            "The picture is damaged or cut off. Choose an intact PNG, JPEG, WebP or GIF file.",
        ),
        "wrong_password" => Text::new("현재 비밀번호가 다릅니다.", "This is not the current password."),
        "unknown_snack" => Code::UnknownSnack.text(),
        "duplicate_snack" => Code::DuplicateSnack.text(),
        "snack_unavailable" => Code::SnackUnavailable.text(),
        "snack_already_requested" => Code::SnackAlreadyRequested.text(),
        "hated_snack" => Code::HatedSnack.text(),
        _ => Text::new("올바르지 않은 값입니다.", "This value is not valid."),
    }
}

/// An error on its way to the client.
#[derive(Debug)]
pub struct ApiError {
    /// The reason, which also fixes the status.
    pub code: Code,
    /// The reason, for people.
    pub detail: Text,
    /// The fields to blame, for a request that broke several rules at once.
    pub errors: Vec<FieldError>,
    /// When it is worth another try.
    pub retry_after: Option<Duration>,
    /// What went wrong inside; logged for a 5xx, never sent.
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ApiError {
    /// A failure of ours: logged in full, told as a bare 500.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..Code::Internal.into() }
    }

    /// The same failure for somebody else who met it.
    #[must_use]
    pub fn again(&self) -> Self {
        let source = self.source.as_ref().map(|source| source.to_string().into());
        Self { source, detail: self.detail.clone(), errors: self.errors.clone(), ..*self }
    }

    /// Too many of these in too short a time; there is room for one more after `wait`.
    #[must_use]
    pub fn too_many(wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Code::TooManyRequests.into() }
    }

    /// Something the server needs is out of reach: a 503.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..Code::Unavailable.into() }
    }

    /// The SQLSTATE behind the error, where Postgres told one.
    fn sqlstate(&self) -> Option<Cow<'_, str>> {
        self.source.as_deref()?.downcast_ref::<sqlx::Error>()?.as_database_error()?.code()
    }

    /// Tells whether a statement gave up waiting for a lock.
    #[must_use]
    pub fn is_lock_timeout(&self) -> bool {
        self.sqlstate().is_some_and(|code| code == LOCK_TIMEOUT)
    }

    /// A body, query or header that cannot be read; `reason` is technical and the same in every language.
    pub fn unreadable(reason: impl fmt::Display) -> Self {
        Code::InvalidRequest.because(Text::new(
            format!("요청을 읽을 수 없습니다: {reason}"),
            format!("The request cannot be read: {reason}"),
        ))
    }

    /// One field that is the whole reason for `code`; its message is the detail as well.
    #[must_use]
    pub fn on_field(code: Code, field: &str, rule: &'static str) -> Self {
        let error = FieldError::new(field, rule);
        Self { detail: error.message.clone(), ..code.on(vec![error]) }
    }

    /// One field that breaks its rule.
    #[must_use]
    pub fn invalid(field: &str, code: &'static str) -> Self {
        Code::ValidationFailed.on(vec![FieldError::new(field, code)])
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        let retry_after = (code == Code::Unavailable).then_some(Duration::from_secs(1));
        Self { code, detail: code.text(), errors: Vec::new(), retry_after, source: None }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.detail.en)
    }
}

impl StdError for ApiError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        let unreachable = match &error {
            // Protocol: a connection that is cut while it is being made answers with nothing.
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => true,
            sqlx::Error::Database(database) => match database.code().as_deref().unwrap_or_default() {
                // A NUL in a text, a value that no column can hold, a forged cursor's time zone that there is not: they come
                // from the client, and whatever no rule of ours caught before is still its mistake.
                "22021" | "22P05" | "22P02" | "22003" | "22007" | "22008" | "22009" | "22023" => {
                    return Self::unreadable("a value that cannot be stored");
                }
                // The server of a failover that has not happened yet, or the standby of one that has.
                READ_ONLY => {
                    watchdog::suspect_connections();
                    true
                }
                // Timed out: waiting for a lock, running, idle in a transaction.
                LOCK_TIMEOUT | "57014" | "25P03" => true,
                // Connection exceptions; out of disk, memory or connections; stopping, starting up, terminated.
                code => code.starts_with("08") || code.starts_with("53") || code.starts_with("57P"),
            },
            _ => false,
        };
        if unreachable { Self::unavailable(error) } else { Self::internal(error) }
    }
}

impl From<ValidationErrors> for ApiError {
    fn from(errors: ValidationErrors) -> Self {
        let mut fields = Vec::new();
        collect(&errors, "", &mut fields);
        fields.sort_by(|a, b| a.field.cmp(&b.field));
        Code::ValidationFailed.on(fields)
    }
}

fn collect(errors: &ValidationErrors, path: &str, into: &mut Vec<FieldError>) {
    for (name, kind) in errors.errors() {
        let field = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        match kind {
            ValidationErrorsKind::Field(broken) => into.extend(broken.iter().map(|rule| {
                let figure = |name: &str| rule.params.get(name).map(ToString::to_string);
                let bound = match (figure("min"), figure("max")) {
                    (Some(min), Some(max)) => format!("{min}..{max}"),
                    (min, max) => min.or(max).unwrap_or_default(),
                };
                FieldError { field: field.clone(), code: rule.code.clone(), message: rule_text(&rule.code, &bound) }
            })),
            ValidationErrorsKind::Struct(inner) => collect(inner, &field, into),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    collect(inner, &format!("{field}[{index}]"), into);
                }
            }
        }
    }
}

/// What a response carries to the layer that writes it out.
#[derive(Clone, Debug)]
pub struct Problem {
    pub(crate) code: Code,
    pub(crate) detail: Text,
    pub(crate) errors: Vec<FieldError>,
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self { code, detail: code.text(), errors: Vec::new() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            let source = self.source.as_deref().map(|error| error as &dyn StdError);
            tracing::error!(code = self.code.name(), error = source, "request failed");
        }
        let mut response = status.into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            // In whole seconds, and never too early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response.extensions_mut().insert(Problem { code: self.code, detail: self.detail, errors: self.errors });
        response
    }
}

/// Turns the violation of a named constraint into the refusal that it stands for.
pub trait OnConstraint<T> {
    /// The result, with a violation of `constraint` replaced by `error`.
    ///
    /// # Errors
    /// Any other database error, as [`ApiError`].
    fn on_constraint(self, constraint: &str, error: impl FnOnce() -> ApiError) -> Result<T, ApiError>;
}

impl<T> OnConstraint<T> for Result<T, sqlx::Error> {
    fn on_constraint(self, constraint: &str, error: impl FnOnce() -> ApiError) -> Result<T, ApiError> {
        self.map_err(|failure| match failure.as_database_error() {
            Some(database) if database.constraint() == Some(constraint) => error(),
            _ => failure.into(),
        })
    }
}
