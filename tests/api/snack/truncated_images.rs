//! Truncated files, and the messages of rejected images.

use image::ImageFormat;
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};
use reqwest::Method;
use snack_server::snack::end_marker::is_complete;

use crate::support::{
    image_bombs,
    images::{declares, encoded, form, patch_form, picture, stored_files, with_segment},
    response::Response,
    test_app::{TestApp, TestUser},
};

/// Made with Pillow: several scans, and a thumbnail in the EXIF data with an end marker of its own.
const PROGRESSIVE: &[u8] = include_bytes!("files/progressive-with-thumbnail.jpg");
/// Made with Pillow: restart markers among the pixels.
const RESTARTS: &[u8] = include_bytes!("files/restarts.jpg");
/// Made with Pillow: lossy, with EXIF data after the pixels.
const LOSSY: &[u8] = include_bytes!("files/lossy.webp");

/// Complete files with nothing after their end.
fn complete() -> Vec<(&'static str, ImageFormat, Vec<u8>)> {
    let jpeg = encoded(&picture(60, 40), ImageFormat::Jpeg);
    // A segment whose data ends like an image, as thumbnails do, and like a complete small image.
    let nested = with_segment(&jpeg, 0xe1, &[b"Exif\0\0", &jpeg[..]].concat());
    // Fill bytes before a marker are allowed.
    let filled = [&jpeg[..2], &[0xff; 3], &jpeg[2..]].concat();
    vec![
        ("a JPEG with a JPEG in its EXIF", ImageFormat::Jpeg, nested),
        ("a JPEG with fill bytes", ImageFormat::Jpeg, filled),
        ("a JPEG", ImageFormat::Jpeg, jpeg),
        ("a progressive JPEG with a thumbnail", ImageFormat::Jpeg, PROGRESSIVE.to_vec()),
        ("a progressive JPEG of three scans", ImageFormat::Jpeg, image_bombs::scans(2)),
        ("a JPEG with restart markers", ImageFormat::Jpeg, RESTARTS.to_vec()),
        ("a PNG", ImageFormat::Png, encoded(&picture(60, 40), ImageFormat::Png)),
        ("a GIF", ImageFormat::Gif, encoded(&picture(60, 40), ImageFormat::Gif)),
        ("a GIF of several frames", ImageFormat::Gif, image_bombs::gif(8, 8, 3)),
        ("a lossless WebP", ImageFormat::WebP, encoded(&picture(60, 40), ImageFormat::WebP)),
        ("a lossy WebP with EXIF", ImageFormat::WebP, LOSSY.to_vec()),
    ]
}

#[test]
fn a_file_is_complete_at_its_last_byte_and_not_before() {
    for (what, format, file) in complete() {
        for cut in 0..file.len() {
            assert!(!is_complete(format, &file[..cut]), "{what}, cut to {cut} of {} bytes", file.len());
        }
        assert!(is_complete(format, &file), "{what}");
        // Data after the end does not matter, not even the start of another image.
        assert!(is_complete(format, &[&file, &b"behind"[..]].concat()), "{what}, with more behind");
        assert!(is_complete(format, &[&file[..], &file[..file.len() / 2]].concat()), "{what}, and half of it again");
    }
}

#[test]
fn no_bytes_make_the_search_for_the_end_panic() {
    let formats = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP];
    let strategy = (0..formats.len(), prop::collection::vec(prop_oneof![Just(0xff), any::<u8>()], 0..200));
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&strategy, |(format, bytes)| {
            // The result does not change with what is cut off after the end.
            let whole = is_complete(formats[format], &bytes);
            let longer = is_complete(formats[format], &[&bytes[..], b"more"].concat());
            prop_assert!(!whole || longer);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

async fn english(app: &TestApp, user: &TestUser, name: &str, file: Vec<u8>) -> Response {
    let request = app.request(Method::POST, "/snacks").bearer_auth(&user.access).header("accept-language", "en");
    app.send(request.multipart(form(name, file))).await
}

/// Checks the message of an error in both languages, in its detail and at the field.
async fn assert_message(
    app: &TestApp,
    user: &TestUser,
    file: Vec<u8>,
    expected: (u16, &str, &str),
    messages: (&str, &str),
) {
    let (status, code, rule) = expected;
    let korean = app.post_form(user, "/snacks", form("사진", file.clone())).await.expect_error(status, code);
    let english = english(app, user, "사진", file).await.expect_error(status, code);
    for (body, text) in [(korean, messages.0), (english, messages.1)] {
        assert_eq!(body["detail"], text);
        let error = serde_json::json!([{"field": "image", "code": rule, "message": text}]);
        assert_eq!(body["errors"], error);
    }
}

#[test]
fn a_picture_that_was_cut_off_anywhere_is_refused() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (app, member) = runtime.block_on(async {
        let app = TestApp::start().await;
        let member = app.users(1).await.remove(0);
        (app, member)
    });
    let files = complete();
    for (what, _, file) in &files {
        let response = runtime.block_on(app.post_form(&member, "/snacks", form(what, file.clone())));
        response.expect(201);
    }
    let before = stored_files(&app);
    let config = Config { cases: 120, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(0..files.len(), any::<Index>()), |(which, cut)| {
            let (what, _, file) = &files[which];
            // After the first bytes, which determine the format.
            let cut = 16 + cut.index(file.len() - 16);
            let response = runtime.block_on(app.post_form(&member, "/snacks", form("잘림", file[..cut].to_vec())));
            prop_assert_eq!(response.status.as_u16(), 415, "{} cut to {}: {}", what, cut, response.text);
            prop_assert_eq!(&response.body["code"], "unsupported_media_type");
            prop_assert_eq!(&response.body["errors"][0]["code"], "damaged_picture", "{} cut to {}", what, cut);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(stored_files(&app), before);
}

#[tokio::test]
async fn the_first_bytes_of_a_photograph_are_no_photograph() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let mut photograph = encoded(&picture(120, 100), ImageFormat::Jpeg);
    assert!(photograph.len() > 6_000, "{}", photograph.len());
    photograph.truncate(700);
    let messages = (
        "사진 파일이 손상되었거나 잘렸습니다. 온전한 PNG, JPEG, WebP, GIF 파일을 골라 주세요.",
        "The picture is damaged or cut off. Choose an intact PNG, JPEG, WebP or GIF file.",
    );
    assert_message(&app, &member, photograph, (415, "unsupported_media_type", "damaged_picture"), messages).await;
}

#[tokio::test]
async fn an_error_names_the_limit_and_the_accepted_kinds() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let path = format!("/snacks/{}", app.snack(&member, "새우깡").await);
    let pixels = (413, "payload_too_large", "too_many_pixels");
    let messages =
        ("사진은 4,000만 화소(40메가픽셀)까지 올릴 수 있습니다.", "A picture may have at most 40 megapixels.");
    assert_message(&app, &member, declares(10_000, 5_000), pixels, messages).await;

    let bytes = (413, "payload_too_large", "too_many_bytes");
    let messages = ("사진 파일은 5 MiB까지 올릴 수 있습니다.", "A picture may have at most 5 MiB.");
    let mut heavy = encoded(&picture(8, 8), ImageFormat::Png);
    heavy.resize(5 * 1024 * 1024 + 1, 0);
    assert_message(&app, &member, heavy.clone(), bytes, messages).await;
    // Larger than a whole form may be.
    heavy.resize(8 * 1024 * 1024, 0);
    assert_message(&app, &member, heavy.clone(), bytes, messages).await;
    let edit = patch_form(&app, &member, &path, heavy).await.expect_error(413, "payload_too_large");
    assert_eq!(edit["errors"][0]["code"], "too_many_bytes");

    let kind = (415, "unsupported_media_type", "unsupported_picture");
    let messages = ("PNG, JPEG, WebP, GIF 사진만 올릴 수 있습니다.", "Choose a PNG, JPEG, WebP or GIF picture.");
    assert_message(&app, &member, b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(), kind, messages).await;

    // The text fields of a form have a limit of their own.
    for (field, length) in [("desc", 70_000), ("desc", 7_000_000), ("name", 70_000)] {
        let fields = reqwest::multipart::Form::new().text("price", "1").text(field, "x".repeat(length));
        let response = app.post_form(&member, "/snacks", fields).await.expect_error(413, "payload_too_large");
        assert_eq!(response["errors"], serde_json::json!([]), "{field}");
    }
    let together = reqwest::multipart::Form::new().text("desc", "x".repeat(40_000)).text("url", "x".repeat(40_000));
    app.post_form(&member, "/snacks", together).await.expect_error(413, "payload_too_large");
    let enough = reqwest::multipart::Form::new().text("desc", "x".repeat(30_000)).text("url", "x".repeat(30_000));
    app.post_form(&member, "/snacks", enough).await.expect_error(400, "validation_failed");
    assert!(stored_files(&app).is_empty());
}
