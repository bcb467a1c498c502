//! The web app as the server serves it.

mod below_a_path;
mod static_files;
