//! Errors of the API: one type and one table of codes.
//!
//! A handler returns [`ApiError`]. Its response has no body but carries a [`Problem`], which the middleware
//! [`crate::http::problem`] writes out in the client's language. Errors that axum makes itself (an unknown route, a wrong
//! method) take the same way.

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::{ValidationErrors, ValidationErrorsKind};

use crate::config::SettingError;

/// A message in both languages of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub ko: Cow<'static, str>,
    pub en: Cow<'static, str>,
}

impl Text {
    pub fn new(ko: impl Into<Cow<'static, str>>, en: impl Into<Cow<'static, str>>) -> Self {
        Self { ko: ko.into(), en: en.into() }
    }
}

macro_rules! codes {
    ($($variant:ident $status:literal $name:literal $ko:literal $en:literal)*) => {
        /// Machine-readable error codes. Clients depend on their names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $en] $variant,)* }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub const fn status(self) -> u16 { match self { $(Self::$variant => $status,)* } }

            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)* } }

            /// Default message.
            pub fn text(self) -> Text { match self { $(Self::$variant => Text::new($ko, $en),)* } }
        }
    };
}

codes! {
    InvalidRequest 400 "invalid_request" "요청을 읽을 수 없습니다." "The request cannot be read."
    ValidationFailed 400 "validation_failed" "입력한 값을 확인해 주세요." "Check the fields listed in errors."
    InvalidInvitation 400 "invalid_invitation" "초대 링크가 만료되었거나 이미 사용되었습니다. 관리자에게 다시 요청해 주세요." "The invitation has expired or was used already. Ask an admin for a new one."
    InvalidResetToken 400 "invalid_reset_token" "비밀번호 재설정 링크가 만료되었거나 이미 사용되었습니다. 다시 요청해 주세요." "The link has expired or was used already. Request a new one."
    UnknownSnack 400 "unknown_snack" "존재하지 않는 간식이 있습니다." "There is no such snack."
    DuplicateSnack 400 "duplicate_snack" "같은 간식이 두 번 들어 있습니다." "The same snack is listed twice."
    EstimatedArrivalTimeRequired 400 "estimated_arrival_time_required" "도착 예정 시간이 필요합니다." "Enter an estimated arrival time."
    NotAuthenticated 401 "not_authenticated" "로그인이 필요합니다." "Sign in first."
    InvalidToken 401 "invalid_token" "토큰이 유효하지 않거나 만료되었습니다." "The token is invalid, expired or revoked. Sign in again."
    InvalidCredentials 401 "invalid_credentials" "이메일 또는 비밀번호가 올바르지 않습니다." "The email or the password is wrong."
    PermissionDenied 403 "permission_denied" "권한이 없습니다." "You do not have permission to do this."
    SignUpClosed 403 "sign_up_closed" "초대받은 사람만 가입할 수 있습니다. 관리자에게 초대를 요청해 주세요." "You need an invitation to sign up. Ask an admin for one."
    NotFound 404 "not_found" "찾을 수 없습니다." "Not found."
    ReactionNotFound 404 "reaction_not_found" "취소할 reaction 이 없습니다." "There is no reaction to cancel."
    MethodNotAllowed 405 "method_not_allowed" "허용되지 않는 메서드입니다." "This method is not allowed here."
    EmailTaken 409 "email_taken" "이미 가입된 이메일입니다." "This email is already registered."
    EmailResigned 409 "email_resigned" "탈퇴한 회원은 다시 가입할 수 없습니다. 계속 사용하려면 관리자에게 문의해 주세요." "Members who have left cannot sign up again. Ask an admin to restore the account."
    ArrivalNotExpected 409 "arrival_not_expected" "주문 완료 또는 배송 중인 주문만 도착 예정 시간을 바꿀 수 있습니다." "Only orders with status ordered or shipping have an arrival time to correct."
    BudgetExceeded 409 "budget_exceeded" "승인하면 이번 달 예산을 넘습니다." "The approval would exceed the budget of this month."
    TooManyChannels 409 "too_many_channels" "채널은 100개까지 만들 수 있습니다." "There are 100 channels already. Delete one that is no longer used."
    OrderClosed 409 "order_closed" "이미 완료되었거나 취소된 주문입니다." "The order is completed or canceled."
    UserActive 409 "user_active" "아직 탈퇴하지 않은 회원입니다. 먼저 내보내 주세요." "This member has not left yet. Remove the member first."
    UserErased 409 "user_erased" "개인정보가 삭제된 회원은 복구할 수 없습니다." "The personal data of this user was erased, so the account cannot be restored."
    UserResigned 409 "user_resigned" "탈퇴한 회원입니다." "This user has resigned."
    LastAdmin 409 "last_admin" "마지막 관리자입니다." "This is the last active admin."
    SnackNameTaken 409 "snack_name_taken" "이미 등록된 간식 이름입니다." "A snack with this name is already registered."
    DuplicateReaction 409 "duplicate_reaction" "중복해서 reaction 을 남길 수 없습니다." "You have left this reaction already."
    SnackUnavailable 409 "snack_unavailable" "주문할 수 없는 간식이 있습니다." "A snack is currently unavailable."
    SnackAlreadyRequested 409 "snack_already_requested" "이미 주문 중인 간식이 있습니다." "A snack is already in an open order."
    OrderNotEditable 409 "order_not_editable" "승인 대기 중인 주문만 수정할 수 있습니다." "Only orders with status created can be edited."
    InvalidTransition 409 "invalid_transition" "주문 상태를 바꿀 수 없습니다." "The order cannot change to this status."
    HatedSnack 409 "hated_snack" "싫어요가 좋아요보다 많은 간식이 있습니다." "A snack has more hates than likes."
    IdempotencyKeyReused 409 "idempotency_key_reused" "Idempotency-Key 가 다른 요청에 이미 쓰였습니다." "This Idempotency-Key was already used with a different body."
    PreconditionFailed 412 "precondition_failed" "그사이에 주문이 바뀌었습니다." "The order has changed in the meantime."
    PayloadTooLarge 413 "payload_too_large" "요청이 너무 큽니다." "The request is too large."
    UnsupportedMediaType 415 "unsupported_media_type" "지원하지 않는 형식입니다." "This media type is not supported."
    TooManyRequests 429 "too_many_requests" "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요." "Too many requests. Try again later."
    Internal 500 "internal_error" "서버에 문제가 생겼습니다." "Something went wrong on the server."
    Unavailable 503 "unavailable" "잠시 후 다시 시도해 주세요." "Temporarily unavailable. Try again shortly."
}

impl Code {
    /// Code of a response that axum or a middleware made, by its status.
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

    /// Error with a more precise message than the code's own.
    pub fn with_detail(self, detail: Text) -> ApiError {
        ApiError { detail, ..self.into() }
    }

    pub fn with_fields(self, errors: Vec<FieldError>) -> ApiError {
        ApiError { errors, ..self.into() }
    }
}

/// Invalid field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field: `email`, `snacks[2].quantity`.
    pub field: String,
    /// Code of the violated rule.
    pub code: Cow<'static, str>,
    pub message: Text,
    /// Boxed, because few errors have them.
    pub details: Option<Box<ErrorDetails>>,
}

/// Data of a violated rule for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorDetails {
    /// Open order that has the snack.
    Order(ConflictingOrder),
    Budget(ExceededBudget),
}

/// Open order that has a snack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConflictingOrder {
    pub uid: Uuid,
    /// `created`, `approved` or `ordered`.
    #[schema(example = "approved")]
    pub status: &'static str,
}

/// Budget that an approval would exceed. The amounts are decimals with the digits of the currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExceededBudget {
    pub currency: &'static str,
    /// Budget of the month.
    pub limit: String,
    /// Sum of the approved orders of the month.
    pub committed: String,
    /// Amount of the order.
    pub amount: String,
}

impl FieldError {
    /// Violation of a rule whose message has no bounds in it.
    pub fn new(field: impl Into<String>, code: &'static str) -> Self {
        Self { field: field.into(), code: code.into(), message: rule_text(code, ""), details: None }
    }

    pub fn with_details(self, details: ErrorDetails) -> Self {
        Self { details: Some(Box::new(details)), ..self }
    }
}

/// Message of a violated rule. `bound` is its limit, for rules that have one.
fn rule_text(code: &str, bound: &str) -> Text {
    match code {
        "required" => Text::new("필수 항목입니다.", "This field is required."),
        "blank" => Text::new("비워 둘 수 없습니다.", "Enter some text."),
        "too_short" => {
            Text::new(format!("{bound}자 이상이어야 합니다."), format!("Enter at least {bound} characters."))
        }
        "too_long" => Text::new(format!("{bound}자 이하여야 합니다."), format!("Enter at most {bound} characters.")),
        "too_common" => {
            Text::new("너무 흔한 비밀번호입니다. 다른 비밀번호를 입력해 주세요.", "Choose a less common password.")
        }
        "too_personal" => Text::new(
            "이메일이나 이름으로 만든 비밀번호는 쓸 수 없습니다.",
            "Choose a password that is not made of your email or name.",
        ),
        "item_count" => Text::new(format!("{bound}개여야 합니다."), format!("There must be {bound} items.")),
        "out_of_range" => {
            Text::new(format!("{bound} 범위여야 합니다."), format!("Enter a number in the range {bound}."))
        }
        "invalid_email" => Text::new("올바른 이메일이 아닙니다.", "Enter a valid email address."),
        "invalid_url" => Text::new(
            "http:// 또는 https:// 로 시작하고 공백이 없는 주소여야 합니다.",
            "Enter an address that begins with http:// or https:// and has no spaces.",
        ),
        "invalid_character" => Text::new(
            "줄바꿈 등 보이지 않는 제어 문자는 쓸 수 없습니다.",
            "Remove line breaks and other control characters.",
        ),
        "domain_not_allowed" => Text::new(
            "이 도메인의 이메일로는 가입할 수 없습니다. 회사 이메일을 입력해 주세요.",
            "Emails of this domain cannot sign up. Enter your work email.",
        ),
        "https_required" => {
            Text::new("https:// 로 시작하는 주소만 쓸 수 있습니다.", "Enter an address that begins with https://.")
        }
        "address_not_allowed" => Text::new(
            "내부망 주소로는 보낼 수 없습니다. 인터넷에서 접속되는 주소를 입력해 주세요.",
            "Enter an address on the public internet. Internal addresses are not allowed.",
        ),
        "invalid_amount" => Text::new("올바른 금액이 아닙니다.", "Enter a valid amount."),
        "unknown_currency" => Text::new("KRW, USD, JPY 중 하나여야 합니다.", "Enter KRW, USD or JPY."),
        "too_many_cells" => Text::new(
            "첫 줄보다 칸이 많습니다. 쉼표가 든 값은 큰따옴표로 감싸 주세요.",
            "The row has more cells than the first line. Quote values that contain commas.",
        ),
        "snack_name_taken" => Code::SnackNameTaken.text(),
        "negative" => Text::new("0 이상이어야 합니다.", "Enter 0 or more."),
        "too_many_ids" => Text::new("한 번에 1,000개까지 지정할 수 있습니다.", "Send at most 1,000 ids."),
        "too_many_digits" => {
            Text::new("이 통화에서 쓸 수 없는 자릿수입니다.", "Enter no more decimal places than the currency has.")
        }
        "too_many_bytes" => Text::new("사진 파일은 5 MiB까지 올릴 수 있습니다.", "Choose a picture of at most 5 MiB."),
        "too_many_pixels" => Text::new(
            "사진은 4,000만 화소(40메가픽셀)까지 올릴 수 있습니다.",
            "Choose a picture of at most 40 megapixels.",
        ),
        "unsupported_picture" => {
            Text::new("PNG, JPEG, WebP, GIF 사진만 올릴 수 있습니다.", "Choose a PNG, JPEG, WebP or GIF picture.")
        }
        "damaged_picture" => Text::new(
            "사진 파일이 손상되었거나 잘렸습니다. 온전한 PNG, JPEG, WebP, GIF 파일을 골라 주세요.",
            "The picture is damaged or cut off. Choose an intact PNG, JPEG, WebP or GIF file.",
        ),
        "wrong_password" => Text::new("현재 비밀번호가 다릅니다.", "The current password is wrong."),
        "unknown_snack" => Code::UnknownSnack.text(),
        "duplicate_snack" => Code::DuplicateSnack.text(),
        "snack_unavailable" => Code::SnackUnavailable.text(),
        "snack_already_requested" => Code::SnackAlreadyRequested.text(),
        "hated_snack" => Code::HatedSnack.text(),
        _ => Text::new("올바르지 않은 값입니다.", "This value is not valid."),
    }
}

/// Error of a request.
#[derive(Debug)]
pub struct ApiError {
    /// Decides the status.
    pub code: Code,
    pub detail: Text,
    /// Invalid fields of the request.
    pub errors: Vec<FieldError>,
    pub retry_after: Option<Duration>,
    /// Cause. Logged for a 5xx, never sent.
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ApiError {
    /// A 500.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..Code::Internal.into() }
    }

    /// A 503: Postgres or another dependency is out of reach.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..Code::Unavailable.into() }
    }

    /// The same error for another request of the same batch.
    pub fn duplicate(&self) -> Self {
        let source = self.source.as_deref().map(|source| chain(source).to_string().into());
        Self { source, detail: self.detail.clone(), errors: self.errors.clone(), ..*self }
    }

    /// A 429 with `Retry-After`.
    pub fn too_many(retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Code::TooManyRequests.into() }
    }

    /// An `invalid_request` with a message in both languages.
    pub fn bad_request(ko: impl Into<Cow<'static, str>>, en: impl Into<Cow<'static, str>>) -> Self {
        Code::InvalidRequest.with_detail(Text::new(ko, en))
    }

    /// An `invalid_request` for JSON that does not parse or has the wrong shape.
    pub fn malformed_json(error: &serde_json::Error) -> Self {
        let problem = if error.is_data() {
            "값이 올바르지 않습니다"
        } else {
            "JSON 문법이 올바르지 않습니다"
        };
        Self::bad_request(
            format!("요청 본문의 {problem} ({}행 {}열).", error.line(), error.column()),
            format!("The request body cannot be read: {error}."),
        )
    }

    /// Error that concerns one field. Its detail is the message of that field.
    pub fn for_field(code: Code, field: &str, rule: &'static str) -> Self {
        let error = FieldError::new(field, rule);
        Self { detail: error.message.clone(), ..code.with_fields(vec![error]) }
    }

    /// A `validation_failed` of one field.
    pub fn invalid(field: &str, rule: &'static str) -> Self {
        Code::ValidationFailed.with_fields(vec![FieldError::new(field, rule)])
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
        write!(f, "{}: {}", self.code.name(), self.detail.en.trim_end_matches('.'))
    }
}

impl StdError for ApiError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Formats an error with all its causes, for logs: `no connection: timed out`.
pub fn chain<'a>(error: &'a (dyn StdError + 'a)) -> impl fmt::Display + 'a {
    fmt::from_fn(move |f| {
        let mut written = error.to_string();
        f.write_str(&written)?;
        let mut cause = error.source();
        while let Some(error) = cause {
            cause = error.source();
            let text = error.to_string();
            // Many errors repeat their cause in their own text.
            if !written.contains(&text) {
                write!(f, ": {text}")?;
                written = text;
            }
        }
        Ok(())
    })
}

/// Error that ends a command or keeps the server from starting. Printed on one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("{0}")]
    Failed(String),
}

impl StartError {
    /// Failure with a text for the person who typed the command.
    pub fn failed(problem: impl fmt::Display) -> Self {
        Self::Failed(problem.to_string())
    }
}

impl From<ApiError> for StartError {
    fn from(error: ApiError) -> Self {
        Self::failed(chain(&error))
    }
}

impl From<ValidationErrors> for ApiError {
    fn from(errors: ValidationErrors) -> Self {
        let mut fields = Vec::new();
        collect(&errors, "", &mut fields);
        fields.sort_by(|a, b| a.field.cmp(&b.field));
        Code::ValidationFailed.with_fields(fields)
    }
}

fn collect(errors: &ValidationErrors, path: &str, into: &mut Vec<FieldError>) {
    for (name, kind) in errors.errors() {
        let field = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        match kind {
            ValidationErrorsKind::Field(broken) => into.extend(broken.iter().map(|rule| {
                let limit = |name: &str| rule.params.get(name).map(ToString::to_string);
                let bound = match (limit("min"), limit("max")) {
                    (Some(min), Some(max)) => format!("{min}..{max}"),
                    (min, max) => min.or(max).unwrap_or_default(),
                };
                FieldError {
                    field: field.clone(),
                    code: rule.code.clone(),
                    message: rule_text(&rule.code, &bound),
                    details: None,
                }
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

/// Error of a response, for the middleware that writes its body.
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
        // A 503 without a cause is a refusal: the server is stopping or has too much to do. The access log has it.
        if status.is_server_error() && (self.source.is_some() || self.code == Code::Internal) {
            tracing::error!(error = %chain(&self), "request failed");
        }
        let mut response = status.into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            // Whole seconds, rounded up: a retry must not come too early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response.extensions_mut().insert(Problem { code: self.code, detail: self.detail, errors: self.errors });
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Step {
        text: &'static str,
        source: Option<Box<Step>>,
    }

    fn steps(texts: &[&'static str]) -> Option<Box<Step>> {
        let (text, rest) = texts.split_first()?;
        Some(Box::new(Step { text, source: steps(rest) }))
    }

    #[test]
    fn a_chain_has_every_cause_once() {
        let cause = steps(&["no connection", "refused", "os error 111"]).expect("steps");
        let error = ApiError::internal(cause);
        let expected = "internal_error: Something went wrong on the server: no connection: refused: os error 111";
        assert_eq!(chain(&error).to_string(), expected);
        assert_eq!(chain(&error.duplicate()).to_string(), expected);
        let repeated = steps(&["no connection: refused", "refused", "os error 111"]).expect("steps");
        assert_eq!(chain(&*repeated).to_string(), "no connection: refused: os error 111");
    }

    #[test]
    fn details_are_in_the_language_that_they_are_for() {
        let json = serde_json::from_str::<u8>("x").expect_err("an error");
        let error = ApiError::malformed_json(&json);
        assert_eq!(error.detail.ko, "요청 본문의 JSON 문법이 올바르지 않습니다 (1행 1열).");
        for code in Code::ALL {
            assert!(code.text().ko.ends_with("다.") || code.text().ko.ends_with("요."), "{}", code.name());
            assert!(code.text().en.is_ascii(), "{}", code.name());
        }
    }
}
