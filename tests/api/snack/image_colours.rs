//! Colours of images with an ICC profile: the stored image looks like the uploaded one.

use std::io::Cursor;

use image::{
    DynamicImage, GrayImage, ImageEncoder, RgbImage, RgbaImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
};
use moxcms::ColorProfile;

use crate::support::{
    images::{decoded_images, form, with_segment},
    test_app::{TestApp, TestUser},
};

/// Made with Pillow, whose profiles come from Little CMS.
const SRGB: &[u8] = include_bytes!("files/srgb.icc");
/// Made with Pillow.
const CMYK: &[u8] = include_bytes!("files/cmyk.jpg");

#[derive(Clone, Copy, Debug)]
enum Format {
    Jpeg,
    Png,
    WebP,
}

const FORMATS: [Format; 3] = [Format::Jpeg, Format::Png, Format::WebP];

fn tagged(picture: &DynamicImage, format: Format, profile: Option<&[u8]>) -> Vec<u8> {
    fn write(mut encoder: impl ImageEncoder, picture: &DynamicImage, profile: Option<&[u8]>) {
        if let Some(profile) = profile {
            encoder.set_icc_profile(profile.to_vec()).expect("a format with profiles");
        }
        picture.write_with_encoder(encoder).expect("an encoder");
    }
    let mut bytes = Vec::new();
    let out = Cursor::new(&mut bytes);
    match format {
        Format::Jpeg => write(JpegEncoder::new_with_quality(out, 100), picture, profile),
        Format::Png => write(PngEncoder::new(out), picture, profile),
        Format::WebP => write(WebPEncoder::new_lossless(out), picture, profile),
    }
    bytes
}

fn plain(rgb: [u8; 3]) -> DynamicImage {
    RgbImage::from_pixel(400, 300, image::Rgb(rgb)).into()
}

fn encoded(profile: &ColorProfile) -> Vec<u8> {
    profile.encode().expect("a profile")
}

/// Posts a file, and returns a pixel of the stored image and of its thumbnail.
async fn posted(app: &TestApp, user: &TestUser, file: Vec<u8>) -> [[u8; 4]; 2] {
    let name = uuid::Uuid::new_v4().to_string();
    let snack = app.post_form(user, "/snacks", form(&name, file)).await.expect(201);
    let (image, thumbnail) = decoded_images(app, &snack).await;
    [image, thumbnail].map(|picture| picture.to_rgba8().get_pixel(picture.width() / 2, picture.height() / 2).0)
}

#[track_caller]
fn close(pixels: [[u8; 4]; 2], expected: [u8; 3], what: &str) {
    // A WebP has fewer steps of colours than a JPEG.
    for (pixel, tolerance) in pixels.iter().zip([2, 3]) {
        let off = pixel.iter().zip(expected).map(|(is, should)| is.abs_diff(should)).max();
        assert!(off <= Some(tolerance), "{what}: {pixel:?} and not {expected:?}");
    }
}

// The expected values are computed from the primaries and the transfer curves, and clipped to sRGB.

#[tokio::test]
async fn a_display_p3_photograph_looks_as_it_did() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let profile = encoded(&ColorProfile::new_display_p3());
    let table = [
        ([235, 60, 40], [255, 29, 11]),
        ([200, 120, 80], [213, 115, 70]),
        ([60, 160, 90], [0, 163, 82]),
        ([40, 90, 200], [10, 91, 207]),
        ([160, 120, 110], [167, 118, 108]),
        ([128, 128, 128], [128, 128, 128]),
        ([255, 255, 255], [255, 255, 255]),
        ([0, 0, 0], [0, 0, 0]),
    ];
    for format in FORMATS {
        for (is, mut becomes) in table {
            if let (Format::Jpeg, [235, 60, 40]) = (format, is) {
                // A JPEG stores this as 235, 60, 39.
                becomes = [255, 29, 8];
            }
            let pixels = posted(&app, &member, tagged(&plain(is), format, Some(&profile))).await;
            close(pixels, becomes, &format!("{format:?} of {is:?}"));
        }
    }
}

#[tokio::test]
async fn an_adobe_rgb_photograph_looks_as_it_did() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let profile = encoded(&ColorProfile::new_adobe_rgb());
    for format in FORMATS {
        for (is, becomes) in [
            ([235, 60, 40], [255, 57, 34]),
            ([200, 120, 80], [224, 121, 77]),
            ([160, 120, 110], [174, 121, 110]),
            ([128, 128, 128], [129, 129, 129]),
        ] {
            let pixels = posted(&app, &member, tagged(&plain(is), format, Some(&profile))).await;
            close(pixels, becomes, &format!("{format:?} of {is:?}"));
        }
    }
}

#[tokio::test]
async fn transparent_pixels_keep_their_opacity() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let profile = encoded(&ColorProfile::new_display_p3());
    let translucent: DynamicImage = RgbaImage::from_pixel(400, 300, image::Rgba([200, 120, 80, 99])).into();
    for format in [Format::Png, Format::WebP] {
        let pixels = posted(&app, &member, tagged(&translucent, format, Some(&profile))).await;
        close(pixels, [213, 115, 70], &format!("{format:?}"));
        assert_eq!(pixels.map(|pixel| pixel[3]), [99, 99], "{format:?}");
    }
}

#[tokio::test]
async fn an_srgb_picture_is_stored_as_one_without_a_profile() {
    let app = TestApp::start().await;
    let member = app.member().await;
    // Every shade of each channel, and mixtures.
    let shades: DynamicImage = RgbImage::from_fn(256, 64, |x, y| {
        let (x, y) = (x.to_le_bytes()[0], y.to_le_bytes()[0]);
        image::Rgb([x, x.wrapping_mul(3).wrapping_add(y), y * 4])
    })
    .into();
    for profile in [SRGB.to_vec(), encoded(&ColorProfile::new_srgb())] {
        for format in FORMATS {
            let mut stored = Vec::new();
            for profile in [None, Some(&profile[..])] {
                let name = uuid::Uuid::new_v4().to_string();
                let file = tagged(&shades, format, profile);
                let snack = app.post_form(&member, "/snacks", form(&name, file)).await.expect(201);
                stored.push(decoded_images(&app, &snack).await.0.into_rgb8());
            }
            let differing = stored[0].pixels().zip(stored[1].pixels()).filter(|(a, b)| a != b).count();
            assert_eq!(differing, 0, "{format:?}");
        }
    }
}

#[tokio::test]
async fn a_grey_profile_is_applied_to_grey() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let grey = |shade| DynamicImage::from(GrayImage::from_pixel(400, 300, image::Luma([shade])));
    // As Photoshop's "Gray Gamma 1.8".
    let gamma = encoded(&ColorProfile::new_gray_with_gamma(1.8));
    let p3 = encoded(&ColorProfile::new_display_p3());
    for format in [Format::Jpeg, Format::Png] {
        for (is, becomes) in [(64, 81), (128, 146), (200, 210), (0, 0), (255, 255)] {
            let pixels = posted(&app, &member, tagged(&grey(is), format, Some(&gamma))).await;
            close(pixels, [becomes; 3], &format!("{format:?} of {is}"));
        }
        // A colour profile maps grey like equal channels.
        let pixels = posted(&app, &member, tagged(&grey(128), format, Some(&p3))).await;
        close(pixels, [128; 3], &format!("{format:?} with Display P3"));
        // A grey profile does not apply to colours.
        let pixels = posted(&app, &member, tagged(&plain([200, 120, 80]), format, Some(&gamma))).await;
        close(pixels, [200, 120, 80], &format!("{format:?} in colours with a profile for grey"));
    }
    let translucent = image::GrayAlphaImage::from_pixel(400, 300, image::LumaA([128, 99]));
    let pixels = posted(&app, &member, tagged(&translucent.into(), Format::Png, Some(&gamma))).await;
    close(pixels, [146; 3], "grey that shines through");
    assert_eq!(pixels.map(|pixel| pixel[3]), [99, 99]);
}

#[tokio::test]
async fn a_profile_that_is_broken_or_for_other_channels_counts_as_none() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let valid = encoded(&ColorProfile::new_display_p3());
    let with = |at: usize, bytes: &[u8]| {
        let mut profile = valid.clone();
        profile[at..at + bytes.len()].copy_from_slice(bytes);
        profile
    };
    let mut heavy = valid.clone();
    heavy.resize(2 * 1024 * 1024, 0);
    let profiles = [
        ("for CMYK", with(16, b"CMYK")),
        ("for Lab", with(16, b"Lab ")),
        ("of unknown colours", with(16, b"????")),
        ("without its signature", with(36, b"????")),
        ("with four billion tags", with(128, &[0xff; 4])),
        ("of its first half", valid[..valid.len() / 2].to_vec()),
        ("of a header", valid[..128].to_vec()),
        ("of a byte", vec![0]),
        ("of two mebibytes", heavy),
    ];
    for (what, profile) in profiles {
        for format in FORMATS {
            // A JPEG holds at most 255 segments, and the encoder writes as many.
            let pixels = posted(&app, &member, tagged(&plain([200, 120, 80]), format, Some(&profile))).await;
            close(pixels, [200, 120, 80], &format!("{format:?} with a profile {what}"));
        }
    }
}

#[tokio::test]
async fn a_cmyk_photograph_is_the_same_with_its_profile_as_without() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let mut profile = encoded(&ColorProfile::new_display_p3());
    profile[16..20].copy_from_slice(b"CMYK");
    let tag = [&b"ICC_PROFILE\0\x01\x01"[..], &profile].concat();
    let [without, with] =
        [posted(&app, &member, CMYK.to_vec()).await, posted(&app, &member, with_segment(CMYK, 0xe2, &tag)).await];
    assert_eq!(with, without);
}

#[test]
fn no_profile_makes_a_conversion_panic() {
    use proptest::{
        prelude::*,
        sample::Index,
        test_runner::{Config, TestRunner},
    };
    let profiles = [
        encoded(&ColorProfile::new_display_p3()),
        encoded(&ColorProfile::new_gray_with_gamma(1.8)),
        encoded(&ColorProfile::new_bt2020_pq()),
        SRGB.to_vec(),
    ];
    let picture = DynamicImage::from(RgbImage::from_pixel(4, 3, image::Rgb([200, 120, 80])));
    let grey = DynamicImage::from(GrayImage::from_pixel(4, 3, image::Luma([128])));
    let blows = prop::collection::vec((any::<Index>(), any::<u8>()), 1..6);
    let config = Config { cases: 3_000, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(0..profiles.len(), blows, any::<bool>()), |(which, blows, is_grey)| {
            let mut profile = profiles[which].clone();
            for (at, byte) in blows {
                let at = at.index(profile.len());
                profile[at] = byte;
            }
            let picture = if is_grey { grey.clone() } else { picture.clone() };
            let converted = snack_server::snack::colour::to_srgb(picture, Some(&profile));
            prop_assert_eq!((converted.width(), converted.height()), (4, 3));
            prop_assert!(!converted.color().has_alpha() && converted.color().has_color());
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
