//! Bodies of error responses: problem+json (RFC 9457) in the client's language.

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::headers::Language;
use crate::error::{Code, ConflictingOrder, ErrorDetails, FieldError, Problem};

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
    /// Open order that has the snack, for `snack_already_requested`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    order: Option<ConflictingOrder>,
    /// For `budget_exceeded`, as the amounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "KRW")]
    currency: Option<&'static str>,
    /// Budget of the month.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "500000")]
    limit: Option<String>,
    /// Sum of the approved orders of the month.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "480000")]
    committed: Option<String>,
    /// Amount of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "28000")]
    amount: Option<String>,
}

impl FieldProblem {
    pub fn new(error: FieldError, language: Language) -> Self {
        let mut problem = Self {
            field: error.field,
            code: error.code.into_owned(),
            message: language.choose(error.message),
            order: None,
            currency: None,
            limit: None,
            committed: None,
            amount: None,
        };
        match error.details.map(|details| *details) {
            None => {}
            Some(ErrorDetails::Order(order)) => problem.order = Some(order),
            Some(ErrorDetails::Budget(budget)) => {
                problem.currency = Some(budget.currency);
                problem.limit = Some(budget.limit);
                problem.committed = Some(budget.committed);
                problem.amount = Some(budget.amount);
            }
        }
        problem
    }
}

impl ProblemBody {
    pub fn new(problem: Problem, language: Language) -> Self {
        let status = axum::http::StatusCode::from_u16(problem.code.status()).ok();
        Self {
            r#type: "about:blank",
            title: status.and_then(|status| status.canonical_reason()).unwrap_or_default(),
            status: problem.code.status(),
            code: problem.code.name(),
            detail: language.choose(problem.detail),
            errors: problem.errors.into_iter().map(|error| FieldProblem::new(error, language)).collect(),
        }
    }
}

/// Writes the body of an error. Other responses stay as they are.
pub fn write_problem(mut response: Response, language: Language) -> Response {
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
