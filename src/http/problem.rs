//! Bodies of error responses: problem+json (RFC 9457) in the client's language.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::headers::{Language, language};
use crate::error::{Code, Problem, Text};

/// Body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Always `about:blank`: `code` tells the kind.
    #[schema(example = "about:blank")]
    r#type: &'static str,
    /// Reason phrase of the status.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// Stable code for programs.
    code: &'static str,
    /// Message for people, in Korean or, if `Accept-Language` prefers it, in English.
    detail: String,
    /// Invalid fields.
    errors: Vec<FieldProblem>,
}

/// Invalid field of a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Path of the field: `email`, `snacks[2].quantity`.
    field: String,
    /// Code of the violated rule.
    code: String,
    /// Message for people.
    message: String,
}

impl ProblemBody {
    pub fn new(problem: Problem, language: Language) -> Self {
        let spoken = |text: Text| match language {
            Language::Korean => text.ko.into_owned(),
            Language::English => text.en.into_owned(),
        };
        let status = axum::http::StatusCode::from_u16(problem.code.status()).ok();
        Self {
            r#type: "about:blank",
            title: status.and_then(|status| status.canonical_reason()).unwrap_or_default(),
            status: problem.code.status(),
            code: problem.code.name(),
            detail: spoken(problem.detail),
            errors: problem
                .errors
                .into_iter()
                .map(|error| FieldProblem {
                    field: error.field,
                    code: error.code.into_owned(),
                    message: spoken(error.message),
                })
                .collect(),
        }
    }
}

/// Middleware that writes the body of every error, of handlers as well as of axum and other middleware.
pub async fn write_problems(request: Request, next: Next) -> Response {
    let language = language(request.headers());
    let mut response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| Code::for_status(status).into());
    let body = ProblemBody::new(problem, language);
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(serde_json::to_vec(&body).unwrap_or_default()))
}
