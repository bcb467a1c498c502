//! Images for uploads, and images as they are stored.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageReader, RgbImage};
use reqwest::{
    Method,
    header::HeaderMap,
    multipart::{Form, Part},
};
use serde_json::Value;

use crate::support::{
    response::{Body, Response},
    test_app::{TestApp, TestUser},
};

/// An image that compresses badly, so that it can be cut in half: red on the left, noise on the right.
pub fn picture(width: u32, height: u32) -> DynamicImage {
    let mut rng = fastrand::Rng::with_seed(7);
    let pixels = RgbImage::from_fn(width, height, |x, _| {
        image::Rgb(if x < width / 2 { [250, 0, 0] } else { [(); 3].map(|()| rng.u8(..)) })
    });
    DynamicImage::ImageRgb8(pixels)
}

pub fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), format).expect("an encoder");
    bytes
}

/// A PNG chunk with a correct checksum.
pub fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind, data].concat();
    let crc = body.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    let length = u32::try_from(data.len()).expect("a short chunk");
    [&length.to_be_bytes()[..], &body, &(!crc).to_be_bytes()].concat()
}

/// A PNG of a few bytes whose header declares this size.
pub fn declares(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let data = [0x78, 0x9c, 0x63, 0x60, 0x18, 0x05, 0xa3, 0x00];
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(*b"IHDR", &header), &chunk(*b"IDAT", &data), &chunk(*b"IEND", &[])].concat()
}

/// A JPEG with a metadata segment after its first marker.
pub fn with_segment(jpeg: &[u8], marker: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 2).expect("a short segment").to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, data, &jpeg[2..]].concat()
}

pub fn form(name: &str, file: Vec<u8>) -> Form {
    named(name, file, "cat.png", "image/png")
}

pub fn named(name: &str, file: Vec<u8>, file_name: &str, kind: &str) -> Form {
    let part = Part::bytes(file).file_name(file_name.to_owned()).mime_str(kind).expect("a type");
    Form::new().text("name", name.to_owned()).text("price", "1").part("image", part)
}

pub async fn patch_form(app: &TestApp, user: &TestUser, path: &str, file: Vec<u8>) -> Response {
    let form = Form::new().part("image", Part::bytes(file).file_name("cat.png"));
    app.send(app.request(Method::PATCH, path).bearer_auth(&user.access).multipart(form)).await
}

/// The files in the store.
pub fn stored_files(app: &TestApp) -> Vec<String> {
    let folder = app.state.config.media_url.to_file_path().expect("a folder");
    let files = std::fs::read_dir(folder).expect("the store");
    let mut names: Vec<_> =
        files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Headers and bytes of a served image.
pub async fn fetch(app: &TestApp, path: &Value) -> (HeaderMap, Vec<u8>) {
    let response = app.request(Method::GET, path.as_str().expect("a path")).send().await.expect("a response");
    assert_eq!(response.status(), 200, "{path}");
    (response.headers().clone(), response.bytes().await.expect("a body").to_vec())
}

pub fn decoded(bytes: &[u8]) -> DynamicImage {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().expect("a reader");
    reader.decode().expect("a picture")
}

/// The image and the thumbnail of a snack, decoded.
pub async fn decoded_images(app: &TestApp, snack: &Body) -> (DynamicImage, DynamicImage) {
    let (image, thumbnail) = (fetch(app, &snack["image"]).await.1, fetch(app, &snack["thumbnail"]).await.1);
    (decoded(&image), decoded(&thumbnail))
}
