//! The header `Host`.

use axum::http::{HeaderMap, HeaderValue, header, uri::Authority};

use crate::error::ApiError;

/// Checks that there is exactly one valid `Host` (RFC 9112, 3.2), also in HTTP/1.0 and with an absolute target.
///
/// # Errors
/// There is none, or more than one, or it names no host.
pub fn require_host(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (Some(host), None) if names_host(host) => Ok(()),
        _ => Err(ApiError::bad_request(
            "Host 헤더가 하나 있어야 하고 호스트 이름이 있어야 합니다.",
            "There must be exactly one Host header, and it must name a host.",
        )),
    }
}

/// Tells whether `value` is `host [":" port]`.
fn names_host(value: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(value.as_bytes()) else { return false };
    let (host, text) = (authority.host(), authority.as_str());
    let port = text.strip_prefix(host).and_then(|rest| if rest.is_empty() { Some("") } else { rest.strip_prefix(':') });
    !host.is_empty() && port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}
