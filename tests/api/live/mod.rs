//! The stream of events.

mod ends;
mod events;
mod outages;
mod servers;
mod slow_readers;
