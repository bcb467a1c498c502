//! What every handler uses: reading requests, paging lists, telling errors, and the layers around the router.

pub mod address;
pub mod body;
pub mod body_budget;
pub mod headers;
pub mod layers;
pub mod limit;
pub mod page;
pub mod path;
pub mod problem;
pub mod query;
pub mod rules;
pub mod serve;

pub use address::Address;
pub use body::{Exact, Json, JsonText};
pub use page::{Ordering, Page, PageQuery, Sorted, ordering_schema};
pub use path::{Id, Uid};
pub use query::Query;
