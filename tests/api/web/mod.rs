//! The web app as the server serves it.

mod static_files;
