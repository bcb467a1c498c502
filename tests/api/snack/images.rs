//! Images: accepted and rejected files, what is stored of them, and how they are served.

use futures_util::future::join_all;
use image::{DynamicImage, ImageFormat, RgbaImage};
use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    images::{
        chunk, declares, decoded_images, encoded, fetch, form, named, patch_form, picture, stored_files, with_segment,
    },
    response::Body,
    test_app::{TestApp, TestUser},
};

fn png(width: u32, height: u32) -> Vec<u8> {
    encoded(&picture(width, height), ImageFormat::Png)
}

/// Sends a request line that a URL library would normalise, and returns the status.
async fn raw_get(app: &TestApp, target: &str) -> u16 {
    let mut stream = TcpStream::connect(app.url.trim_start_matches("http://")).await.expect("a connection");
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.expect("a response");
    let status = String::from_utf8_lossy(&response[9..12]).into_owned();
    status.parse().expect("a status")
}

#[tokio::test]
async fn the_four_formats_are_taken_and_come_with_a_thumbnail() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for (format, kind) in [
        (ImageFormat::Png, "image/png"),
        (ImageFormat::Jpeg, "image/jpeg"),
        (ImageFormat::WebP, "image/webp"),
        (ImageFormat::Gif, "image/gif"),
    ] {
        let file = encoded(&picture(640, 480), format);
        let response = app.post_form(&member, "/snacks", named(kind, file, "cat", kind)).await;
        let snack = response.expect(201);
        let (image, thumbnail) = decoded_images(&app, &snack).await;
        assert_eq!((image.width(), image.height()), (640, 480), "{kind}");
        assert_eq!((thumbnail.width(), thumbnail.height()), (320, 240), "{kind}");
        let [red, green, blue] = image.to_rgb8().get_pixel(40, 240).0;
        assert!(red > 200 && green < 50 && blue < 50, "{kind}: {red} {green} {blue}");
        let listed = app.get(&member, &format!("/snacks?uid={}", snack.uid())).await.expect(200);
        assert_eq!(listed.rows()[0]["thumbnail"], snack["thumbnail"]);
    }
    assert_eq!(stored_files(&app).len(), 8);
}

#[tokio::test]
async fn a_thumbnail_fits_into_320_pixels_whatever_the_shape() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for (at, (width, height)) in
        [(1, 1), (320, 320), (321, 40), (40, 900), (3000, 2), (1, 3000)].into_iter().enumerate()
    {
        let snack = app.post_form(&member, "/snacks", form(&format!("{at}"), png(width, height))).await.expect(201);
        let (image, thumbnail) = decoded_images(&app, &snack).await;
        let (small, large) = ((thumbnail.width(), thumbnail.height()), (image.width(), image.height()));
        assert!(small.0 <= 320 && small.1 <= 320, "{width}x{height}: {small:?}");
        if width.max(height) <= 320 {
            assert_eq!((small, large), ((width, height), (width, height)));
        } else {
            assert_eq!(small.0.max(small.1), 320, "{width}x{height}: {small:?}");
        }
    }
}

#[tokio::test]
async fn a_picture_is_served_for_ever_and_as_nothing_but_a_picture() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let transparent = DynamicImage::ImageRgba8(RgbaImage::from_pixel(9, 9, image::Rgba([0, 0, 250, 99])));
    let opaque = encoded(&picture(30, 20), ImageFormat::Jpeg);
    for file in [opaque, encoded(&transparent, ImageFormat::Png)] {
        let name = file.len().to_string();
        let snack = app.post_form(&member, "/snacks", form(&name, file)).await.expect(201);
        for path in [&snack["image"], &snack["thumbnail"]] {
            let (headers, bytes) = fetch(&app, path).await;
            let format = image::guess_format(&bytes).expect("a format");
            assert_eq!(headers["content-type"], format.to_mime_type());
            assert_eq!(headers["content-length"], bytes.len().to_string());
            assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            assert_eq!(headers["content-security-policy"], "default-src 'none'; sandbox");
            app.send(app.request(Method::GET, path.as_str().expect("a path"))).await.expect(200);
        }
        let pixel = decoded_images(&app, &snack).await.0.to_rgba8().get_pixel(2, 2).0;
        assert!(pixel == [0, 0, 250, 99] || pixel[3] == 255, "{pixel:?}");
    }
}

#[tokio::test]
async fn metadata_and_hidden_payloads_are_removed() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let secret = b"N37.5665 E126.9780 <script>alert(1)</script>";
    let jpeg = encoded(&picture(60, 40), ImageFormat::Jpeg);
    let tiff = [&b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"[..], secret].concat();
    let signature = 8 + 25;
    let png = png(60, 40);
    let text = chunk(*b"tEXt", &[&b"Comment\0"[..], secret].concat());
    let files = [
        with_segment(&jpeg, 0xe1, &tiff),
        with_segment(&jpeg, 0xfe, secret),
        [&jpeg[..], secret].concat(),
        [&png[..signature], &text, &png[signature..]].concat(),
        [&png[..], secret].concat(),
        [&encoded(&picture(60, 40), ImageFormat::Gif)[..], secret].concat(),
    ];
    for (at, file) in files.into_iter().enumerate() {
        let holds = |bytes: &[u8]| bytes.windows(10).any(|window| window == &secret[..10]);
        assert!(holds(&file));
        let snack = app.post_form(&member, "/snacks", form(&format!("{at}"), file)).await.expect(201);
        for path in [&snack["image"], &snack["thumbnail"]] {
            assert!(!holds(&fetch(&app, path).await.1), "file {at}");
        }
    }
}

#[tokio::test]
async fn a_photograph_is_turned_upright() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let jpeg = encoded(&picture(640, 320), ImageFormat::Jpeg);
    // Orientation 6: the left side belongs on top.
    let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let snack = app.post_form(&member, "/snacks", form("세로", with_segment(&jpeg, 0xe1, exif))).await.expect(201);
    let (image, thumbnail) = decoded_images(&app, &snack).await;
    assert_eq!((image.width(), image.height()), (320, 640));
    assert_eq!((thumbnail.width(), thumbnail.height()), (160, 320));
    let [red, green, _] = image.to_rgb8().get_pixel(160, 40).0;
    assert!(red > 200 && green < 50);
}

#[tokio::test]
async fn neither_name_nor_declared_type_of_a_file_matter() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let names = [
        ("cat.exe", "application/x-msdownload"),
        ("cat.svg", "image/svg+xml"),
        ("cat.html", "text/html"),
        ("../../etc/cat.png", "image/png"),
        ("..\\..\\cat.png", "image/png"),
        ("/tmp/cat.png", "image/png"),
        ("고양이.jpg", "image/jpeg"),
        ("..", "image/gif"),
    ];
    for (at, (file_name, kind)) in names.into_iter().enumerate() {
        let form = named(&format!("{at}"), png(8, 8), file_name, kind);
        let snack = app.post_form(&member, "/snacks", form).await.expect(201);
        let path = snack["image"].as_str().expect("a path");
        assert!(!path.contains("cat") && !path.contains(".."), "{path}");
        assert_eq!(path.matches('/').count(), 2, "{path}");
        decoded_images(&app, &snack).await;
    }
    assert_eq!(stored_files(&app).len(), 2 * names.len());
}

#[tokio::test]
async fn what_is_no_picture_is_refused_and_leaves_nothing_behind() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let path = format!("/snacks/{}", app.snack(&member, "새우깡").await);
    let half = |format| {
        let mut file = encoded(&picture(200, 200), format);
        file.truncate(file.len() / 2);
        file
    };
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let tiny = png(8, 8);
    let table: [(&str, Vec<u8>); 18] = [
        ("SVG", svg.to_vec()),
        ("SVG with a prologue", [&b"<?xml version='1.0'?>"[..], svg].concat()),
        ("HTML", b"<!doctype html><script>alert(1)</script>".to_vec()),
        ("text", b"hello".to_vec()),
        ("one byte", vec![0]),
        ("no bytes", Vec::new()),
        ("BMP", [&b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0"[..], &[0; 28]].concat()),
        ("TIFF", b"II*\0\x08\0\0\0\0\0\0\0\0\0".to_vec()),
        ("PDF", b"%PDF-1.7\n%%EOF".to_vec()),
        ("ICO", [&b"\0\0\x01\0\x01\0\x08\x08\0\0\x01\0\x20\0\x40\0\0\0\x16\0\0\0"[..], &tiny].concat()),
        ("half a PNG", half(ImageFormat::Png)),
        ("a JPEG without pixels", encoded(&picture(8, 8), ImageFormat::Jpeg)[..200].to_vec()),
        ("half a WebP", half(ImageFormat::WebP)),
        ("half a GIF", half(ImageFormat::Gif)),
        ("a PNG's signature", tiny[..8].to_vec()),
        ("a PNG with a broken checksum", [&tiny[..20], &[0xff], &tiny[21..]].concat()),
        ("a PNG behind something else", [&b"MZ"[..], &tiny].concat()),
        ("a PNG without pixels", declares(0, 0)),
    ];
    for (what, file) in table {
        println!("{what}");
        let response = app.post_form(&member, "/snacks", form(what, file.clone())).await;
        response.expect_error(415, "unsupported_media_type");
        patch_form(&app, &member, &path, file).await.expect_error(415, "unsupported_media_type");
    }
    assert!(stored_files(&app).is_empty());
    assert_eq!(app.get(&member, "/snacks").await.expect(200).rows().len(), 1);
}

#[tokio::test]
async fn a_picture_has_at_most_forty_megapixels_and_five_mebibytes() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for (width, height) in [(8000, 5001), (40_000_001, 1), (65_535, 65_535), (2_000_000_000, 2_000_000_000)] {
        let response = app.post_form(&member, "/snacks", form("폭탄", declares(width, height))).await;
        response.expect_error(413, "payload_too_large");
    }
    let mut gif = encoded(&picture(4, 4), ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0xff; 4]);
    app.post_form(&member, "/snacks", form("폭탄", gif)).await.expect_error(413, "payload_too_large");

    let weighing = |bytes: usize| {
        let mut file = png(8, 8);
        file.resize(bytes, 0);
        file
    };
    let limit = 5 * 1024 * 1024;
    app.post_form(&member, "/snacks", form("5 MiB", weighing(limit + 1))).await.expect_error(413, "payload_too_large");
    app.post_form(&member, "/snacks", form("8 MiB", weighing(8 << 20))).await.expect_error(413, "payload_too_large");
    assert!(stored_files(&app).is_empty());
    app.post_form(&member, "/snacks", form("5 MiB", weighing(limit))).await.expect(201);

    let grey = DynamicImage::ImageLuma8(image::GrayImage::new(8000, 5000));
    let file = encoded(&grey, ImageFormat::Png);
    app.post_form(&member, "/snacks", form("40 MP", file)).await.expect(201);
}

#[tokio::test]
async fn a_refused_request_leaves_no_picture_behind() {
    let app = TestApp::start().await;
    let (owner, other) = (app.member().await, app.member().await);
    let uid = app.snack(&owner, "새우깡").await;
    let path = format!("/snacks/{uid}");
    app.snack(&owner, "감자깡").await;
    let edit = |user: &TestUser, path: &str, name: &str, price: &str| {
        let part = Part::bytes(png(8, 8)).file_name("cat.png");
        let form = Form::new().text("name", name.to_owned()).text("price", price.to_owned()).part("image", part);
        app.request(Method::PATCH, path).bearer_auth(&user.access).multipart(form)
    };
    app.post_form(&owner, "/snacks", form(" 새우깡 ", png(8, 8))).await.expect_error(409, "snack_name_taken");
    app.post_form(&owner, "/snacks", form(" ", png(8, 8))).await.expect_error(400, "validation_failed");
    app.send(edit(&owner, &path, "감자깡", "1")).await.expect_error(409, "snack_name_taken");
    app.send(edit(&owner, &path, "새우깡", "1.5")).await.expect_error(400, "validation_failed");
    app.send(edit(&other, &path, "새우깡", "1")).await.expect_error(403, "permission_denied");
    let unknown = "/snacks/00000000-0000-4000-8000-000000000000";
    app.send(edit(&other, unknown, "새우깡", "1")).await.expect_error(404, "not_found");
    let two = form("둘", png(8, 8)).part("image", Part::bytes(png(8, 8)).file_name("b.png"));
    app.post_form(&owner, "/snacks", two).await.expect_error(400, "invalid_request");
    let open = app.request(Method::POST, "/snacks").multipart(form("문", png(8, 8)));
    app.send(open).await.expect_error(401, "not_authenticated");

    let attempts = (0..10).map(|_| app.post_form(&owner, "/snacks", form("하나뿐", png(8, 8))));
    let responses = join_all(attempts).await;
    assert_eq!(responses.iter().filter(|response| response.status == 201).count(), 1);
    assert_eq!(stored_files(&app).len(), 2, "the winner's picture and thumbnail");
}

#[tokio::test]
async fn a_picture_is_added_replaced_and_taken_away_and_the_old_one_is_really_gone() {
    let app = TestApp::start().await;
    let (owner, admin) = (app.member().await, app.admin().await);
    let path = format!("/snacks/{}", app.snack(&owner, "새우깡").await);
    let first = patch_form(&app, &owner, &path, png(30, 20)).await.expect(200);
    assert_eq!(decoded_images(&app, &first).await.0.width(), 30);
    let second = patch_form(&app, &admin, &path, png(50, 20)).await.expect(200);
    assert_eq!(decoded_images(&app, &second).await.0.width(), 50);
    assert_ne!(first["image"], second["image"]);
    let removed = async |snack: &Body| {
        for path in [&snack["image"], &snack["thumbnail"]] {
            let path = path.as_str().expect("a path");
            app.send(app.request(Method::GET, path)).await.expect_error(404, "not_found");
        }
    };
    removed(&first).await;
    assert_eq!(stored_files(&app).len(), 2);

    // Another edit, and a form with an empty file input, keep the image.
    let unchanged = app.patch(&owner, &path, json!({"desc": "그대로"})).await.expect(200);
    assert_eq!((&unchanged["image"], &unchanged["thumbnail"]), (&second["image"], &second["thumbnail"]));
    let untouched = Form::new().text("desc", "빈 칸").part("image", Part::bytes(Vec::new()).file_name(""));
    let request = app.request(Method::PATCH, &path).bearer_auth(&owner.access).multipart(untouched);
    assert_eq!(app.send(request).await.expect(200)["image"], second["image"]);
    decoded_images(&app, &second).await;

    let bare = app.patch(&owner, &path, json!({"image": null})).await.expect(200);
    assert_eq!((&bare["image"], &bare["thumbnail"]), (&Value::Null, &Value::Null));
    removed(&second).await;
    assert!(stored_files(&app).is_empty());
}

#[tokio::test]
async fn of_replacements_at_once_one_picture_remains() {
    let app = TestApp::start().await;
    let owner = app.member().await;
    let path = format!("/snacks/{}", app.snack(&owner, "새우깡").await);
    let edits = (10..20).map(|width| patch_form(&app, &owner, &path, png(width, 8)));
    for response in join_all(edits).await {
        response.expect(200);
    }
    assert_eq!(stored_files(&app).len(), 2);
    let snack = app.get(&owner, &path).await.expect(200);
    decoded_images(&app, &snack).await;
}

#[tokio::test]
async fn paths_that_name_no_picture_are_not_found() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack = app.post_form(&member, "/snacks", form("새우깡", png(8, 8))).await.expect(201);
    let image = snack["image"].as_str().expect("a path");
    let folder = app.state.config.media_url.to_file_path().expect("a folder");
    let outside = folder.with_extension("secret.png");
    std::fs::write(&outside, png(8, 8)).expect("a file outside of the store");
    let secret = outside.file_name().expect("a name").to_string_lossy().into_owned();
    std::fs::write(folder.join("notes.txt"), "not for you").expect("a file that is no picture");
    std::fs::create_dir(folder.join("folder.png")).expect("a folder");
    let long = "a".repeat(300);

    assert_eq!(raw_get(&app, image).await, 200);
    for target in [
        "/media/x".to_owned(),
        "/media/x.png".to_owned(),
        "/media/".to_owned(),
        "/media".to_owned(),
        "/media/notes.txt".to_owned(),
        "/media/folder.png".to_owned(),
        "/media/../..".to_owned(),
        "/media/%2e%2e/".to_owned(),
        format!("/media/../{secret}"),
        format!("/media/%2e%2e/{secret}"),
        format!("/media/%2e%2e%2f{secret}"),
        format!("/media/..%2f{secret}"),
        format!("/media/..%5c{secret}"),
        format!("/media/%252e%252e%252f{secret}"),
        format!("/media/{}", outside.display()),
        format!("/media/%2f{}", outside.display()),
        "/media//etc/passwd".to_owned(),
        format!("{image}/"),
        format!("{image}%00"),
        "/media/%00.png".to_owned(),
        "/media/%FF.png".to_owned(),
        "/media/..png".to_owned(),
        "/media/.png".to_owned(),
        format!("/media/{long}.png"),
        format!("/media/{}x.png", "a/".repeat(3000)),
    ] {
        assert_eq!(raw_get(&app, &target).await, 404, "{target}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        app.send(app.request(method, image)).await.expect_error(405, "method_not_allowed");
    }
    std::fs::remove_file(outside).expect("the file's end");
}
