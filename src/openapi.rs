//! The OpenAPI document: generated from the handlers, with what all calls have in common added here. Served as
//! `/openapi.json` and, through Swagger UI from the binary itself, at `/docs`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, OpenApiVersion, Ref, RefOr, Response as ResponseDoc, ResponseBuilder, Schema,
        example::ExampleBuilder,
        header::HeaderBuilder,
        path::{Operation, Parameter, ParameterIn, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::{
    error::{ApiError, Code},
    http::{headers::Language, problem::ProblemBody},
    state::AppState,
};

/// The tags, one for each noun.
pub const AUTH: &str = "auth";
/// Snacks and their pictures.
pub const SNACKS: &str = "snacks";
/// Likes and hates.
pub const REACTIONS: &str = "reactions";
/// Orders.
pub const ORDERS: &str = "orders";
/// Statistics.
pub const STATISTICS: &str = "statistics";
/// Health, metrics.
pub const OPERATIONS: &str = "operations";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Snack Server",
        description = "The members of a company order their snacks together.\n\n\
            Sign up with `POST /auth/sign-up`, sign in with `POST /auth/token`, and give the access token to **Authorize**. \
            Every path works with and without a trailing slash. Errors are problem+json: `code` is for programs, `detail` \
            for people, in Korean or, when `Accept-Language` prefers it, in English. Every answer carries `X-Request-Id`.",
    ),
    tags(
        (name = AUTH, description = "Sign-up, tokens, users"),
        (name = SNACKS, description = "What can be ordered"),
        (name = REACTIONS, description = "Likes and hates"),
        (name = ORDERS, description = "What was asked for and how far it got"),
        (name = STATISTICS, description = "What was ordered and what it cost"),
        (name = OPERATIONS, description = "Health and metrics"),
    ),
    components(schemas(ProblemBody)),
)]
struct Document;

/// The document before any route has added itself.
#[must_use]
pub fn base() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    document.openapi = OpenApiVersion::Version31;
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    for code in Code::ALL {
        let body = ProblemBody::new((*code).into(), Language::Korean);
        let example = ExampleBuilder::new().summary(code.text().en).value(serde_json::to_value(body).ok()).build();
        components.examples.insert(code.name().to_owned(), RefOr::T(example));
    }
    document
}

/// A call for anybody, with the refusals that are its own.
pub fn open(route: UtoipaMethodRouter<AppState>, codes: &[Code]) -> UtoipaMethodRouter<AppState> {
    document(route, false, codes)
}

/// A call for those who have signed in, with the refusals that are its own.
pub fn member(route: UtoipaMethodRouter<AppState>, codes: &[Code]) -> UtoipaMethodRouter<AppState> {
    document(route, true, codes)
}

/// A call for admins, with the refusals that are its own.
pub fn admin(route: UtoipaMethodRouter<AppState>, codes: &[Code]) -> UtoipaMethodRouter<AppState> {
    document(route, true, &[codes, &[Code::PermissionDenied]].concat())
}

/// Adds to the operations of `route` who may call them and every refusal: its own `codes`, and those that follow from what
/// it takes.
fn document(mut route: UtoipaMethodRouter<AppState>, signed_in: bool, codes: &[Code]) -> UtoipaMethodRouter<AppState> {
    for (path, item) in &mut route.1.paths {
        let in_path = path.contains('{');
        // One handler may serve two methods; the names of operations are unique all the same.
        if let (Some(_), Some(patch)) = (&item.put, &mut item.patch)
            && let Some(id) = &mut patch.operation_id
        {
            id.push_str("_by_patch");
        }
        for (is_safe, operation) in operations(item) {
            let mut all = codes.to_vec();
            if signed_in && !is_safe {
                all.push(Code::TooManyRequests);
            }
            if signed_in {
                operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>("bearer", [])]);
                all.extend([Code::NotAuthenticated, Code::InvalidToken]);
            }
            if operation.request_body.is_some() {
                all.extend([Code::InvalidRequest, Code::PayloadTooLarge, Code::UnsupportedMediaType]);
            }
            let takes_query = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in != ParameterIn::Path);
            if operation.parameters.iter().flatten().any(takes_query) {
                all.push(Code::InvalidRequest);
            }
            if in_path {
                all.push(Code::NotFound);
            }
            describe_query(operation);
            all.extend([Code::Internal, Code::Unavailable]);
            refuse(operation, all);
            describe_successes(operation);
        }
    }
    route
}

/// Says of every parameter of the query that it may be empty (and counts as absent then): utoipa has no field for that. A
/// description that came with a schema of our own making moves to where readers look for it.
fn describe_query(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.parameter_in == ParameterIn::Query
        {
            parameter.extensions = Some([("allowEmptyValue", true)].into_iter().collect());
            if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
                && parameter.description.is_none()
            {
                parameter.description = schema.description.take();
            }
        }
    }
}

/// OpenAPI wants a description of every response; where there is nothing to add, it is the status in words.
fn describe_successes(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
            && let Ok(status) = status.parse::<StatusCode>()
        {
            status.canonical_reason().unwrap_or_default().clone_into(&mut response.description);
        }
    }
}

/// The operations, each with whether its method is safe.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let unsafe_ones = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten();
    item.get.iter_mut().map(|get| (true, get)).chain(unsafe_ones.map(|operation| (false, operation)))
}

/// Writes `codes` into the operation, one response for each status with an example for each code.
fn refuse(operation: &mut Operation, mut codes: Vec<Code>) {
    codes.sort_unstable();
    codes.dedup();
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().push(code);
    }
    for (status, codes) in by_status {
        operation.responses.responses.insert(status.to_string(), RefOr::T(refusal(status, &codes)));
    }
}

fn refusal(status: u16, codes: &[Code]) -> ResponseDoc {
    let names: Vec<_> = codes.iter().map(|code| format!("`{}`", code.name())).collect();
    let example = |code: &Code| RefOr::Ref(Ref::new(format!("#/components/examples/{}", code.name())));
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ProblemBody::name())))
        .examples_from_iter(codes.iter().map(|code| (code.name(), example(code))))
        .build();
    let mut response =
        ResponseBuilder::new().description(names.join(" · ")).content("application/problem+json", content);
    for (name, says) in match status {
        401 => &[("WWW-Authenticate", "`Bearer`")][..],
        429 | 503 => &[("Retry-After", "Seconds until it is worth another try.")],
        _ => &[],
    } {
        let header = HeaderBuilder::new().schema(Some(String::schema())).description(Some(*says)).build();
        response = response.header(*name, header);
    }
    response.build()
}

/// `/openapi.json` and Swagger UI.
pub fn router(document: &utoipa::openapi::OpenApi) -> Router<AppState> {
    let json: Arc<str> = document.to_pretty_json().unwrap_or_default().into();
    let config = utoipa_swagger_ui::Config::from("/openapi.json").persist_authorization(true).validator_url("none");
    let ui = Arc::new(config);
    Router::new()
        .route("/openapi.json", get(async move || ([(header::CONTENT_TYPE, "application/json")], json.to_string())))
        .route("/docs", get(|ui| asset(Path(String::from("index.html")), ui)))
        .route("/docs/{*path}", get(asset))
        .with_state(ui)
}

async fn asset(Path(path): Path<String>, State(ui): State<Arc<utoipa_swagger_ui::Config<'static>>>) -> Response {
    match utoipa_swagger_ui::serve(&path, ui) {
        Ok(Some(file)) if path == "index.html" => {
            // The page is served at /docs, without a redirect to /docs/, where its relative links would lead astray.
            let page = String::from_utf8_lossy(&file.bytes).replacen("<head>", "<head><base href=\"/docs/\">", 1);
            let headers = [
                (header::CONTENT_TYPE, file.content_type.as_str()),
                // Swagger UI styles its elements inline and brings its icons as data.
                (
                    header::CONTENT_SECURITY_POLICY,
                    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
                ),
            ];
            (headers, page).into_response()
        }
        Ok(Some(file)) => ([(header::CONTENT_TYPE, file.content_type)], file.bytes.to_vec()).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => ApiError::internal(error.to_string()).into_response(),
    }
}
