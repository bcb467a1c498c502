//! Hostile uploads: the response to each forged image, what is stored of it, and the memory it takes.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use image::ImageFormat;
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};
use reqwest::{Method, header};
use uuid::Uuid;

use crate::support::{
    database,
    forged_images::{self, ForgedImage, PAYLOADS},
    images::{decoded, encoded, picture},
    process::Run,
    process_client::ProcessClient,
    test_app::TestApp,
};

const BOUNDARY: &str = "a-boundary-that-is-in-none-of-the-files";
/// Limit for the growth of the server's memory, in MiB.
const MEMORY_LIMIT: u64 = 64;

/// A form that registers a snack, with the file name as it is. A client library would sanitise it.
fn form(name: &str, forgery: &ForgedImage) -> Vec<u8> {
    let text = |field: &str, value: &str| {
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n").into_bytes()
    };
    let file = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"image\"; filename=\"").into_bytes();
    let kind = b"\"\r\nContent-Type: image/png\r\n\r\n".to_vec();
    let end = format!("\r\n--{BOUNDARY}--\r\n").into_bytes();
    [text("name", name), text("price", "1"), file, forgery.file_name.clone(), kind, forgery.bytes.clone(), end].concat()
}

fn content_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// The files in the store.
fn stored(app: &TestApp) -> BTreeSet<String> {
    let folder = app.state.config.media_url.to_file_path().expect("a folder");
    let files = std::fs::read_dir(folder).expect("the store");
    files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned()).collect()
}

async fn snacks(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM snacks").fetch_one(app.db()).await.expect("a count")
}

/// The chunk types of a PNG.
fn chunks(png: &[u8]) -> Vec<String> {
    let (mut rest, mut kinds) = (&png[8..], Vec::new());
    while let Some((length, more)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).expect("a length");
        kinds.push(String::from_utf8_lossy(&more[..4]).into_owned());
        rest = &more[4 + length + 4..];
    }
    kinds
}

/// The kinds of the chunks of a WebP, up to the end of the file.
fn webp_chunks(webp: &[u8]) -> Vec<String> {
    let (mut rest, mut kinds) = (&webp[12..], Vec::new());
    while let Some((header, more)) = rest.split_at_checked(8) {
        kinds.push(String::from_utf8_lossy(&header[..4]).into_owned());
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let length = usize::try_from(length.next_multiple_of(2)).expect("a length");
        rest = more.get(length..).expect("a whole chunk");
    }
    assert!(rest.is_empty(), "bytes after the last chunk");
    kinds
}

/// The markers of a JPEG up to its pixels.
fn markers(jpeg: &[u8]) -> Vec<u8> {
    let (mut rest, mut markers) = (&jpeg[2..], Vec::new());
    while markers.last() != Some(&0xda) {
        assert_eq!(rest[0], 0xff);
        markers.push(rest[1]);
        rest = &rest[2 + usize::from(u16::from_be_bytes([rest[2], rest[3]]))..];
    }
    markers
}

/// The defect of an image as it is served, if it has one.
fn defect(path: &str, bytes: &[u8], side: u32) -> Option<String> {
    let name = path.strip_prefix("/media/").unwrap_or_default();
    let (stem, extension) = name.split_once('.').unwrap_or_default();
    let (stem, extensions) = if side < 1280 {
        (stem.strip_suffix("-small").unwrap_or_default(), &["webp"][..])
    } else {
        (stem, &["png", "jpg"][..])
    };
    if Uuid::try_parse(stem).is_err() || !extensions.contains(&extension) {
        return Some(format!("it is called {path}"));
    }
    let picture = decoded(bytes);
    if picture.width() > side || picture.height() > side {
        return Some(format!("it is {} by {}", picture.width(), picture.height()));
    }
    if let Some(payload) = PAYLOADS.iter().find(|payload| bytes.windows(payload.len()).any(|part| part == **payload)) {
        return Some(format!("it holds {}", String::from_utf8_lossy(payload)));
    }
    let is_plain = match extension {
        "png" => chunks(bytes).iter().all(|kind| ["IHDR", "IDAT", "IEND"].contains(&kind.as_str())),
        "webp" => webp_chunks(bytes).iter().all(|kind| ["VP8X", "ALPH", "VP8 "].contains(&kind.as_str())),
        // JFIF, tables, a baseline frame and one scan, up to the end of the file.
        _ => {
            markers(bytes).iter().all(|marker| [0xe0, 0xdb, 0xc0, 0xc4, 0xda].contains(marker))
                && bytes.ends_with(&[0xff, 0xd9])
        }
    };
    (!is_plain).then(|| "it holds more than a picture".to_owned())
}

#[tokio::test]
async fn every_forged_image_gets_its_response_and_leaves_a_plain_picture_or_nothing() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let (mut defects, mut files, mut rows) = (Vec::new(), BTreeSet::new(), 0);
    for (at, forgery) in forged_images::ALL.iter().enumerate() {
        let request = app.request(Method::POST, "/snacks").bearer_auth(&member.access);
        let body = form(&format!("위조 {at}"), forgery);
        let response = app.send(request.header(header::CONTENT_TYPE, content_type()).body(body)).await;
        let mut note_defect = |reason: String| defects.push(format!("{}: {reason}", forgery.what));
        let status = response.status.as_u16();
        if status != forgery.status {
            note_defect(format!("{status} and not {}: {}", forgery.status, response.text));
        }
        let (before, now) = (std::mem::replace(&mut files, stored(&app)), snacks(&app).await);
        if status == 201 {
            rows += 1;
            assert_eq!((files.len(), now), (before.len() + 2, rows), "{}", forgery.what);
            for (field, side) in [("image", 1280), ("thumbnail", 320)] {
                let path = response.body[field].as_str().expect("a path");
                let served = app.request(Method::GET, path).send().await.expect("a response");
                assert_eq!(served.status(), 200, "{}", forgery.what);
                let bytes = served.bytes().await.expect("a picture");
                if let Some(reason) = defect(path, &bytes, side) {
                    note_defect(format!("{field}: {reason}"));
                }
            }
        } else {
            assert_eq!((&files, now), (&before, rows), "{}", forgery.what);
        }
    }
    assert!(defects.is_empty(), "{} of {}:\n{}", defects.len(), forged_images::ALL.len(), defects.join("\n"));
    let distinct: BTreeSet<_> = forged_images::ALL.iter().map(|forgery| (&forgery.bytes, &forgery.file_name)).collect();
    assert_eq!((distinct.len(), forged_images::ALL.len()), (170, 170));
}

#[tokio::test]
async fn no_forged_image_takes_the_servers_memory() {
    let database = database::create().await;
    let server = Run::on(&database, &["serve"]).serve().await;
    let client = ProcessClient::new(&server);
    let (access, _) = client.member("kim@snack.example").await;
    let post = async |name: String, forgery: &ForgedImage| {
        let request =
            client.http.post(client.url("/snacks")).bearer_auth(&access).header(header::CONTENT_TYPE, content_type());
        request.body(form(&name, forgery)).send().await.expect("a response").status().as_u16()
    };
    let valid = ForgedImage {
        what: "a photograph".to_owned(),
        bytes: encoded(&picture(640, 480), ImageFormat::Jpeg),
        file_name: b"cat.jpg".to_vec(),
        status: 201,
    };
    assert_eq!(post("처음".to_owned(), &valid).await, 201);
    let before = server.memory("VmHWM");

    let (post, server) = (&post, &server);
    let posts = forged_images::ALL.iter().enumerate().map(|(at, forgery)| async move {
        let status = post(format!("위조 {at}"), forgery).await;
        (forgery, status, server.memory("VmHWM"))
    });
    let responses: Vec<_> = stream::iter(posts).buffer_unordered(3).collect().await;

    // The largest increase shows the file to look at.
    let peaks = std::iter::once(before).chain(responses.iter().map(|(_, _, peak)| *peak));
    let steps = peaks.zip(&responses).map(|(before, (forgery, _, peak))| (peak.saturating_sub(before), &forgery.what));
    let (step, what) = steps.max().expect("a response");
    let after = server.memory("VmHWM");
    assert!(
        after - before < MEMORY_LIMIT,
        "the server's memory peaked at {after} MiB, {} more than with one photograph; {step} of them at about {what:?}",
        after - before
    );
    // The files were processed.
    let differs: Vec<_> = responses.iter().filter(|(forgery, status, _)| forgery.status != *status).collect();
    assert!(
        differs.is_empty(),
        "{:?}",
        differs.iter().map(|(forgery, status, _)| (&forgery.what, status)).collect::<Vec<_>>()
    );
}

/// One corruption of a sequence of bytes.
#[derive(Clone, Debug)]
enum Corruption {
    Set(Index, u8),
    Flip(Index, u8),
    Cut(Index),
    Drop(Index, Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, Index),
}

fn corruptions() -> impl Strategy<Value = Vec<Corruption>> {
    let at = any::<Index>;
    let corruption = prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Corruption::Set(at, byte)),
        4 => (at(), 0_u8..8).prop_map(|(at, bit)| Corruption::Flip(at, bit)),
        1 => at().prop_map(Corruption::Cut),
        1 => (at(), at()).prop_map(|(from, to)| Corruption::Drop(from, to)),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Corruption::Insert(at, bytes)),
        1 => (at(), at()).prop_map(|(from, to)| Corruption::Repeat(from, to)),
    ];
    prop::collection::vec(corruption, 1..4)
}

/// `bytes` after the corruptions. Those of the header fall within the first hundred bytes.
fn corrupted(bytes: &[u8], corruptions: &[Corruption], at_the_beginning: bool) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for corruption in corruptions {
        if bytes.is_empty() {
            break;
        }
        let within = if at_the_beginning { bytes.len().min(100) } else { bytes.len() };
        let span = |a: &Index, b: &Index| {
            let (a, b) = (a.index(within), b.index(within));
            a.min(b)..a.max(b)
        };
        match corruption {
            Corruption::Set(at, byte) => bytes[at.index(within)] = *byte,
            Corruption::Flip(at, bit) => bytes[at.index(within)] ^= 1 << bit,
            Corruption::Cut(at) => bytes.truncate(at.index(within)),
            Corruption::Drop(from, to) => drop(bytes.drain(span(from, to))),
            Corruption::Insert(at, more) => {
                drop(bytes.splice(at.index(within)..at.index(within), more.iter().copied()))
            }
            Corruption::Repeat(from, to) => {
                let part = bytes[span(from, to)].to_vec();
                bytes.extend(part);
            }
        }
    }
    bytes
}

/// Posts generated forms. Every response has one of the statuses that a form can get.
fn check_responses_to_forms<S: Strategy<Value: Clone>>(
    cases: u32,
    strategy: &S,
    make: impl Fn(S::Value, &str) -> Vec<u8>,
) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (app, member) = runtime.block_on(async {
        let app = TestApp::start().await;
        let member = app.users(1).await.remove(0);
        (app, member)
    });
    let config = Config { cases, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(strategy, |value| {
            let name = Uuid::new_v4().to_string();
            let body = make(value, &name);
            let request = app.request(Method::POST, "/snacks").bearer_auth(&member.access);
            let request = request.header(header::CONTENT_TYPE, content_type()).body(body);
            let response = runtime.block_on(app.send(request));
            // A corrupted name may be the name of another snack.
            let status = response.status.as_u16();
            prop_assert!([201, 400, 409, 413, 415].contains(&status), "{}: {}", status, response.text);
            if status == 201 && !response.body["image"].is_null() {
                for (field, side) in [("image", 1280), ("thumbnail", 320)] {
                    let path = response.body[field].as_str().expect("a path");
                    let served = runtime.block_on(async {
                        let served = app.request(Method::GET, path).send().await.expect("a response");
                        served.bytes().await.expect("a picture")
                    });
                    prop_assert_eq!(defect(path, &served, side), None);
                }
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

fn file(bytes: Vec<u8>) -> ForgedImage {
    ForgedImage { what: String::new(), bytes, file_name: b"cat.png".to_vec(), status: 0 }
}

#[test]
fn a_corrupted_picture_is_accepted_or_refused() {
    let see_through = image::DynamicImage::from(picture(40, 30).into_rgba8());
    let pictures = [
        encoded(&picture(40, 30), ImageFormat::Png),
        encoded(&see_through, ImageFormat::Png),
        encoded(&picture(40, 30), ImageFormat::Jpeg),
        encoded(&picture(40, 30), ImageFormat::WebP),
        encoded(&picture(40, 30), ImageFormat::Gif),
    ];
    let strategy = (0..pictures.len(), corruptions(), any::<bool>());
    check_responses_to_forms(250, &strategy, |(which, corruptions, at_the_beginning), name| {
        form(name, &file(corrupted(&pictures[which], &corruptions, at_the_beginning)))
    });
}

#[test]
fn bytes_that_were_never_a_picture_are_accepted_or_refused() {
    let signatures: [&[u8]; 5] = [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\x10\0\0WEBPVP8 "];
    let strategy = (0..signatures.len(), prop::collection::vec(any::<u8>(), 0..300));
    check_responses_to_forms(150, &strategy, |(which, bytes), name| {
        form(name, &file([signatures[which], &bytes].concat()))
    });
}

#[test]
fn a_corrupted_form_is_accepted_or_refused() {
    let tiny = encoded(&picture(4, 3), ImageFormat::Png);
    let strategy = (corruptions(), prop::collection::vec(any::<u8>(), 0..200), 0..4);
    check_responses_to_forms(250, &strategy, |(corruptions, bytes, kind), name| match kind {
        0 => bytes,
        1 => [format!("--{BOUNDARY}\r\n").as_bytes(), &bytes].concat(),
        _ => corrupted(&form(name, &file(tiny.clone())), &corruptions, false),
    });
}
