//! The stream of events.

mod ends;
mod events;
mod outages;
mod redis_cluster;
mod servers;
mod slow_readers;
