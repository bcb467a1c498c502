//! Channels of the company.

mod attempts;
mod endpoints;
mod forbidden_urls;
mod sharing;
mod slack;
mod webhooks;
