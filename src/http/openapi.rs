//! The OpenAPI document. The handlers generate it; this module adds what all endpoints have in common.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, KnownFormat, ObjectBuilder, OpenApiVersion, Ref, RefOr, Required, Response as ResponseDoc,
        ResponseBuilder, Schema, SchemaFormat, Server, Type,
        example::ExampleBuilder,
        header::HeaderBuilder,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::ArrayItems,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_axum::router::UtoipaMethodRouter;

use super::{headers::Language, problem::ProblemBody};
use crate::error::Code;

pub const AUTH: &str = "auth";
pub const SNACKS: &str = "snacks";
pub const REACTIONS: &str = "reactions";
pub const ORDERS: &str = "orders";
pub const BUDGETS: &str = "budgets";
pub const NOTIFICATIONS: &str = "notifications";
pub const CHANNELS: &str = "channels";
pub const STATISTICS: &str = "statistics";
pub const LIVE: &str = "live";
pub const OPERATIONS: &str = "operations";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Snack Server",
        description = "Members of a company order snacks together.\n\n\
            Sign up with `POST /auth/sign-up`, sign in with `POST /auth/token`, and enter the access token under **Authorize**. \
            Every path works with and without a trailing slash. Errors are problem+json: `code` is for programs and `detail` \
            for people, in Korean, or in English if `Accept-Language` prefers it. A path that does not exist is a 404 \
            `not_found`; a method that a path does not have is a 405 `method_not_allowed`. Every response has \
            `X-Request-Id`, and `Cache-Control: no-store` unless it is a public file.",
    ),
    tags(
        (name = AUTH, description = "Sign-up, tokens, users"),
        (name = SNACKS, description = "Snacks and their pictures"),
        (name = REACTIONS, description = "Likes and hates"),
        (name = ORDERS, description = "Orders and their status"),
        (name = BUDGETS, description = "Limits of months and what is spent of them"),
        (name = NOTIFICATIONS, description = "What users are told of"),
        (name = CHANNELS, description = "Slack channels and webhooks that get events"),
        (name = STATISTICS, description = "Ordered quantities and costs by period"),
        (name = LIVE, description = "Events for open pages"),
        (name = OPERATIONS, description = "Health, metrics, audit log"),
    ),
    components(schemas(ProblemBody)),
)]
struct Document;

/// Document without endpoints.
pub fn base() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    document.openapi = OpenApiVersion::Version31;
    document.servers = Some(vec![Server::new("/")]);
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components.parameters.insert("AcceptLanguage".to_owned(), RefOr::T(accept_language()));
    for code in Code::ALL {
        let body = ProblemBody::new((*code).into(), Language::Korean);
        let example = ExampleBuilder::new().summary(code.text().en).value(serde_json::to_value(body).ok()).build();
        components.examples.insert(code.name().to_owned(), RefOr::T(example));
    }
    document
}

fn accept_language() -> Parameter {
    ParameterBuilder::new()
        .name("Accept-Language")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Language of messages: Korean, or English if it is preferred."))
        .schema(Some(String::schema()))
        .example(Some("en".into()))
        .build()
}

/// Completes the document after all endpoints have been added.
///
/// - Rows of lists refer to their component, which utoipa copies into each list.
/// - Examples that no operation refers to are removed.
pub fn finish(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let text = document.to_json().unwrap_or_default();
    let components = document.components.get_or_insert_default();
    components.examples.retain(|name, _| text.contains(&format!("\"#/components/examples/{name}\"")));
    let known: Vec<String> = components.schemas.keys().cloned().collect();
    for (name, schema) in &mut components.schemas {
        if let Some((_, row)) = name.split_once('_')
            && known.iter().any(|known| known == row)
            && let RefOr::T(Schema::Object(list)) = schema
            && let Some(RefOr::T(Schema::Array(results))) = list.properties.get_mut("results")
        {
            results.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(row).into()));
        }
    }
    document
}

/// Route without authentication. `codes` are the error codes of its own.
pub fn open<S>(route: UtoipaMethodRouter<S>, codes: &[Code]) -> UtoipaMethodRouter<S> {
    document(route, false, codes)
}

/// Route for signed-in users. `codes` are the error codes of its own.
pub fn signed_in<S>(route: UtoipaMethodRouter<S>, codes: &[Code]) -> UtoipaMethodRouter<S> {
    document(route, true, codes)
}

/// Route for admins. `codes` are the error codes of its own.
pub fn admin<S>(route: UtoipaMethodRouter<S>, codes: &[Code]) -> UtoipaMethodRouter<S> {
    document(route, true, &[codes, &[Code::PermissionDenied]].concat())
}

/// Adds security and error responses to the operations of `route`: its own `codes` and those that follow from its parameters and
/// body.
fn document<S>(mut route: UtoipaMethodRouter<S>, signed_in: bool, codes: &[Code]) -> UtoipaMethodRouter<S> {
    for (path, item) in &mut route.1.paths {
        let in_path = path.contains('{');
        // One handler may serve two methods, but names of operations must be unique.
        if let (Some(_), Some(patch)) = (&item.put, &mut item.patch)
            && let Some(id) = &mut patch.operation_id
        {
            id.push_str("_by_patch");
        }
        for (is_safe, operation) in operations(item) {
            let mut all = codes.to_vec();
            // A request without a Host is an invalid_request for every path.
            all.push(Code::InvalidRequest);
            // An empty list says that no token is needed. Without a list nothing is said.
            operation.security = Some(Vec::new());
            if signed_in && !is_safe {
                all.push(Code::TooManyRequests);
            }
            if signed_in {
                operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>("bearer", [])]);
                all.extend([Code::NotAuthenticated, Code::InvalidToken]);
            }
            if operation.request_body.is_some() {
                all.extend([Code::PayloadTooLarge, Code::UnsupportedMediaType]);
            }
            if in_path {
                all.push(Code::NotFound);
            }
            describe_query(operation);
            let language = Ref::new("#/components/parameters/AcceptLanguage");
            operation.parameters.get_or_insert_default().push(RefOr::Ref(language));
            all.extend([Code::Internal, Code::Unavailable]);
            add_errors(operation, all);
            describe_successes(operation);
        }
    }
    route
}

/// Marks every query parameter as one that may be empty; utoipa has no field for that. Moves the description of a custom schema to
/// the parameter, where readers look for it.
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

/// Describes responses that have no description by their status, because OpenAPI requires one. Gives content that is neither text
/// nor JSON the schema of bytes, which utoipa describes as an array of numbers.
fn describe_successes(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        for (media_type, content) in &mut response.content {
            let is_text = media_type.starts_with("text/") || media_type.ends_with("json");
            if let RefOr::T(content) = content
                && !is_text
            {
                content.schema = Some(bytes(media_type));
            }
        }
        if response.description.is_empty()
            && let Ok(status) = status.parse::<StatusCode>()
        {
            status.canonical_reason().unwrap_or_default().clone_into(&mut response.description);
        }
    }
}

/// Schema of a file. OpenAPI 3.1 uses `contentMediaType`, but most client generators still use `format`.
fn bytes(media_type: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
        .content_media_type(media_type)
        .into()
}

/// Operations of a path, each with a flag that tells whether its method is safe.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let unsafe_ones = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten();
    item.get.iter_mut().map(|get| (true, get)).chain(unsafe_ones.map(|operation| (false, operation)))
}

/// Adds a response for each status of `codes`, with an example for each code.
fn add_errors(operation: &mut Operation, mut codes: Vec<Code>) {
    codes.sort_unstable();
    codes.dedup();
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().push(code);
    }
    for (status, codes) in by_status {
        operation.responses.responses.insert(status.to_string(), RefOr::T(error_response(status, &codes)));
    }
}

fn error_response(status: u16, codes: &[Code]) -> ResponseDoc {
    let names: Vec<_> = codes.iter().map(|code| format!("`{}`", code.name())).collect();
    let example = |code: &Code| RefOr::Ref(Ref::new(format!("#/components/examples/{}", code.name())));
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(ProblemBody::name())))
        .examples_from_iter(codes.iter().map(|code| (code.name(), example(code))))
        .build();
    let mut response =
        ResponseBuilder::new().description(names.join(" · ")).content("application/problem+json", content);
    for (name, description) in match status {
        401 => &[("WWW-Authenticate", "`Bearer`")][..],
        429 | 503 => &[("Retry-After", "Seconds until the next attempt.")],
        _ => &[],
    } {
        let header = HeaderBuilder::new().schema(Some(String::schema())).description(Some(*description)).build();
        response = response.header(*name, header);
    }
    response.build()
}
