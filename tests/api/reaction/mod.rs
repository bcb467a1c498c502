//! Reactions and their counters.

mod batching;
mod convergence;
mod endpoints;
mod random_histories;
mod reasons;
mod redis_cluster;
mod redis_outages;
mod redis_tls;
mod repair;
