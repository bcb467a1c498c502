//! The OpenAPI document: generated from the handlers, with what all calls have in common added here. Served as
//! `/openapi.json` and, through Swagger UI from the binary itself, at `/docs`.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hasher},
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use url::Url;
use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, KnownFormat, ObjectBuilder, OpenApiVersion, Ref, RefOr, Required, Response as ResponseDoc,
        ResponseBuilder, Schema, SchemaFormat, Server, ServerBuilder, Type,
        example::ExampleBuilder,
        header::HeaderBuilder,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::ArrayItems,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_axum::router::UtoipaMethodRouter;

use super::{
    headers::{Language, is_cached},
    problem::ProblemBody,
};
use crate::{app::state::AppState, config::DEFAULT_PUBLIC_URL, error::Code};

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
            for people, in Korean or, when `Accept-Language` prefers it, in English. A path that does not exist is a 404 \
            `not_found`, a method that a path does not have a 405 `method_not_allowed`. Every answer carries \
            `X-Request-Id`, and `Cache-Control: no-store` unless it is a file that anyone may read.",
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
    document.servers = Url::parse(DEFAULT_PUBLIC_URL).ok().map(|url| vec![server(&url)]);
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
        .description(Some("The language of what people read: Korean, or English when this prefers it."))
        .schema(Some(String::schema()))
        .example(Some("en".into()))
        .build()
}

/// The document, complete, once every route has added itself.
///
/// - A row of a list is the component that it is elsewhere; utoipa copies it into each list.
/// - An example that no operation refers to goes: no operation answers with that code.
#[must_use]
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

/// The server that clients reach at `public_url`. `localhost` is another machine for each reader: there it is the path alone,
/// which readers take relative to where the document came from.
fn server(public_url: &Url) -> Server {
    if public_url.host_str() == Some("localhost") {
        return own_server(public_url);
    }
    ServerBuilder::new().url(public_url.as_str().trim_end_matches('/')).build()
}

/// The server that the document came from, whatever its name.
fn own_server(public_url: &Url) -> Server {
    let path = public_url.path().trim_end_matches('/');
    ServerBuilder::new().url(if path.is_empty() { "/" } else { path }).build()
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
            // A request without a Host is one that cannot be read, whatever it asks for.
            all.push(Code::InvalidRequest);
            // An empty list says that no token is needed; without one the operation would not say.
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

/// OpenAPI wants a description of every response; where there is nothing to add, it is the status in words. What is neither
/// text nor JSON is bytes, which utoipa would have as an array of numbers.
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

/// The schema of a file's bytes. OpenAPI 3.1 goes by `contentMediaType`; most generators of clients still go by `format`.
fn bytes(media_type: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
        .content_media_type(media_type)
        .into()
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

/// A file that does not change while the server runs. All who read it share its bytes, however slowly they do.
struct File {
    bytes: Bytes,
    content_type: HeaderValue,
    /// Names what the file holds, so that a client that has it need not read it again.
    etag: HeaderValue,
    /// The sources that a page may load from.
    policy: Option<HeaderValue>,
}

impl File {
    fn new(bytes: Bytes, content_type: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        let header = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        let etag = header(&format!("\"{:016x}\"", hasher.finish()));
        Self { bytes, content_type: header(content_type), etag, policy: None }
    }

    fn response(&self, request: &HeaderMap) -> Response {
        let mut response = if is_cached(request, self.etag.to_str().unwrap_or_default()) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            self.bytes.clone().into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::ETAG, self.etag.clone());
        if let Some(policy) = &self.policy {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
        }
        response
    }
}

/// The files of Swagger UI that its page loads, and the page.
static SWAGGER_UI: LazyLock<HashMap<&str, File>> = LazyLock::new(|| {
    const NAMES: [&str; 8] = [
        "favicon-16x16.png",
        "favicon-32x32.png",
        "index.css",
        "index.html",
        "swagger-initializer.js",
        "swagger-ui-bundle.js",
        "swagger-ui-standalone-preset.js",
        "swagger-ui.css",
    ];
    let config = utoipa_swagger_ui::Config::from("/docs/openapi.json").persist_authorization(true);
    let config = Arc::new(config.validator_url("none"));
    let file = |name| {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&config)).ok()??;
        let bytes = match file.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        Some((name, if name == "index.html" { page(&bytes) } else { File::new(bytes, &file.content_type) }))
    };
    NAMES.into_iter().filter_map(file).collect()
});

/// The page is served at /docs, without a redirect to /docs/, where its relative links would lead astray.
fn page(html: &[u8]) -> File {
    let html = String::from_utf8_lossy(html).replacen("<head>", "<head><base href=\"/docs/\">", 1);
    // Swagger UI styles its elements inline and brings its icons as data.
    let policy = HeaderValue::from_static(
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
    );
    File { policy: Some(policy), ..File::new(html.into(), "text/html; charset=utf-8") }
}

/// `/openapi.json` and Swagger UI, for a server that clients reach at `public_url`.
pub fn router(mut document: utoipa::openapi::OpenApi, public_url: &Url) -> Router<AppState> {
    let mut naming = |server: Server| {
        document.servers = Some(vec![server]);
        Arc::new(File::new(document.to_pretty_json().unwrap_or_default().into(), "application/json"))
    };
    let json = naming(server(public_url));
    // Swagger UI may be opened under another name, such as 127.0.0.1, and its page may connect to its own server only.
    let json_for_ui = naming(own_server(public_url));
    Router::new()
        .route("/openapi.json", get(async move |headers: HeaderMap| json.response(&headers)))
        .route("/docs/openapi.json", get(async move |headers: HeaderMap| json_for_ui.response(&headers)))
        .route("/docs", get(async |headers: HeaderMap| swagger_ui("index.html", &headers)))
        .route("/docs/{*path}", get(async |Path(path): Path<String>, headers: HeaderMap| swagger_ui(&path, &headers)))
}

fn swagger_ui(name: &str, headers: &HeaderMap) -> Response {
    SWAGGER_UI.get(name).map_or_else(|| StatusCode::NOT_FOUND.into_response(), |file| file.response(headers))
}
