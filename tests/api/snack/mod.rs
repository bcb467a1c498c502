//! Snacks and their images.

mod edits;
pub mod hostile_images;
mod image_colours;
mod image_storage;
pub mod images;
mod lists;
mod registration;
mod truncated_images;
mod uploads;
