//! Budget of memory for bodies, shared by all requests.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::Request,
    response::{IntoResponse, Response},
};
use futures_util::TryStreamExt;
use tokio::sync::Semaphore;

use super::request_info::RequestInfo;
use crate::error::{ApiError, Code};

/// Maximum size in bytes of a response that is not counted. Connections are limited, and so are the small responses.
const SMALL_RESPONSE: u64 = 64 * 1024;

/// Number of bytes that bodies may take together. Clones share it.
#[derive(Clone, Debug)]
pub struct BodyBudget(Arc<Semaphore>);

/// Bytes of a [`BodyBudget`], released on drop.
#[derive(Debug)]
pub struct Reservation {
    free: Arc<Semaphore>,
    held: AtomicUsize,
}

impl BodyBudget {
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Reserves `bytes` without waiting. For a body of unknown size 0 are reserved at first.
    ///
    /// # Errors
    /// `unavailable` when fewer are left.
    pub fn try_reserve(&self, bytes: usize) -> Result<Reservation, ApiError> {
        let reservation = Reservation { free: Arc::clone(&self.0), held: AtomicUsize::new(0) };
        reservation.grow(bytes)?;
        Ok(reservation)
    }
}

impl Reservation {
    /// Reserves further `bytes` without waiting.
    ///
    /// # Errors
    /// `unavailable` when fewer are left. The reservation keeps what it has.
    pub fn grow(&self, bytes: usize) -> Result<(), ApiError> {
        let permits = u32::try_from(bytes).map_err(|_| Code::Unavailable)?;
        let taken = self.free.try_acquire_many(permits).map_err(|_| {
            metrics::counter!("http_bodies_shed_total").increment(1);
            Code::Unavailable
        })?;
        taken.forget();
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.free.add_permits(*self.held.get_mut());
    }
}

/// Lets `handle` respond to a request, and counts its body towards `budget` while it arrives and until the response. When the budget is
/// exhausted, reading the body fails with an error that [`is_exhausted`] recognizes.
///
/// # Errors
/// `unavailable` when the budget is exhausted.
pub async fn count_request_bytes<T>(
    budget: &BodyBudget,
    request: Request,
    handle: impl AsyncFnOnce(Request) -> T,
) -> Result<T, ApiError> {
    if request.body().is_end_stream() {
        return Ok(handle(request).await);
    }
    let reservation = Arc::new(budget.try_reserve(0)?);
    let counted = Arc::clone(&reservation);
    let response = handle(request.map(|body| metered(body, counted))).await;
    drop(reservation);
    Ok(response)
}

/// Counts a large response of an endpoint towards `budget` until the client has read it. Without it clients that do not read could fill
/// the memory.
pub async fn count_response_bytes(budget: &BodyBudget, info: Option<RequestInfo>, response: Response) -> Response {
    let size = response.body().size_hint().exact().filter(|size| *size > SMALL_RESPONSE);
    let Some(size) = size.filter(|_| info.is_some_and(|info| info.is_endpoint())) else { return response };
    let reserve = || {
        let size = usize::try_from(size).map_err(ApiError::internal)?;
        Ok::<_, ApiError>((size, budget.try_reserve(size)?))
    };
    let (size, reservation) = match reserve() {
        Ok(reserved) => reserved,
        Err(error) => return error.into_response(),
    };
    let (parts, body) = response.into_parts();
    match to_bytes(body, size).await {
        Ok(bytes) => Response::from_parts(
            parts,
            Body::from(Bytes::from_owner(CountedBytes { bytes, _reservation: reservation })),
        ),
        Err(error) => ApiError::internal(error).into_response(),
    }
}

struct CountedBytes {
    bytes: Bytes,
    _reservation: Reservation,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Adds the bytes of `body` to `reservation` as they arrive.
pub fn metered(body: Body, reservation: Arc<Reservation>) -> Body {
    Body::from_stream(body.into_data_stream().map_err(Box::<dyn Error + Send + Sync>::from).and_then(move |bytes| {
        let taken = reservation.grow(bytes.len());
        std::future::ready(taken.map(|()| bytes).map_err(Into::into))
    }))
}

/// Tells whether reading a [`metered`] body failed because the budget is exhausted.
pub fn is_exhausted(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<ApiError>().is_some_and(|error| error.code == Code::Unavailable)
        || error.source().is_some_and(is_exhausted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_takes_what_is_left_and_gives_it_back() {
        let budget = BodyBudget::new(10);
        let first = budget.try_reserve(6).expect("6 of 10");
        assert_eq!(budget.try_reserve(5).expect_err("5 of 4").code, Code::Unavailable);
        let second = budget.try_reserve(0).expect("nothing of 4");
        second.grow(4).expect("4 of 4");
        assert_eq!(second.grow(1).expect_err("1 of 0").code, Code::Unavailable);
        drop(first);
        second.grow(6).expect("what the first gave back");
        drop(second);
        budget.try_reserve(10).expect("all of it");
    }

    #[tokio::test]
    async fn a_metered_body_holds_what_has_arrived_and_fails_when_nothing_is_left() {
        let budget = BodyBudget::new(10);
        let held = Arc::new(budget.try_reserve(0).expect("nothing"));
        let chunks = [vec![0; 4], vec![0; 4], vec![0; 4]].map(Ok::<_, std::io::Error>);
        let body = metered(Body::from_stream(futures_util::stream::iter(chunks)), Arc::clone(&held));
        let mut stream = body.into_data_stream();
        let mut arrived = 0;
        let failure = loop {
            match stream.try_next().await {
                Ok(Some(bytes)) => arrived += bytes.len(),
                Ok(None) => panic!("the third chunk went through"),
                Err(error) => break error,
            }
        };
        assert_eq!(arrived, 8);
        assert!(is_exhausted(&failure), "{failure:?}");
        assert!(!is_exhausted(&std::io::Error::other("the client went away")));
        budget.try_reserve(3).expect_err("2 are left");
        drop((stream, held));
        budget.try_reserve(10).expect("all of it");
    }
}
