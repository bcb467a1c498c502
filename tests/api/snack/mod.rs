//! Snacks and their images.

mod edits;
mod hostile_images;
mod image_colours;
mod image_storage;
mod image_stores;
mod images;
mod import;
mod lists;
mod orderable;
mod registration;
mod search;
mod truncated_images;
mod uploads;
