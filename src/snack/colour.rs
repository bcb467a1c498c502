//! Conversion of colours from the ICC profile of a picture to sRGB, the colour space of pictures without a profile.

use image::{DynamicImage, RgbImage, RgbaImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, RenderingIntent, TransformOptions};

/// Maximum size of a profile in bytes. Those of screens and cameras have less than a tenth of it.
const MAX_PROFILE: usize = 1024 * 1024;

/// Converts a picture with 8 bits per channel to sRGB. As in browsers, a profile is ignored if it is broken, too large, or for other
/// channels than the picture has, such as CMYK, which the decoder converts to RGB.
pub fn to_srgb(picture: DynamicImage, profile: Option<&[u8]>) -> DynamicImage {
    let profile =
        profile.filter(|bytes| bytes.len() <= MAX_PROFILE).and_then(|bytes| ColorProfile::new_from_slice(bytes).ok());
    let converted = profile.and_then(|profile| converted(&picture, &profile));
    converted.unwrap_or_else(|| {
        if picture.color().has_alpha() { picture.into_rgba8().into() } else { picture.into_rgb8().into() }
    })
}

fn converted(picture: &DynamicImage, profile: &ColorProfile) -> Option<DynamicImage> {
    let has_alpha = picture.color().has_alpha();
    let (layout, pixels) = match (profile.color_space, has_alpha) {
        (DataColorSpace::Rgb, false) => (Layout::Rgb, picture.to_rgb8().into_raw()),
        (DataColorSpace::Rgb, true) => (Layout::Rgba, picture.to_rgba8().into_raw()),
        (DataColorSpace::Gray, false) if !picture.color().has_color() => (Layout::Gray, picture.to_luma8().into_raw()),
        (DataColorSpace::Gray, true) if !picture.color().has_color() => {
            (Layout::GrayAlpha, picture.to_luma_alpha8().into_raw())
        }
        _ => return None,
    };
    if profile.color_space == DataColorSpace::Rgb && is_srgb(profile)? {
        return None;
    }
    let target = if has_alpha { Layout::Rgba } else { Layout::Rgb };
    let out = transformed(profile, &pixels, layout, target)?;
    if has_alpha {
        RgbaImage::from_raw(picture.width(), picture.height(), out).map(Into::into)
    } else {
        RgbImage::from_raw(picture.width(), picture.height(), out).map(Into::into)
    }
}

/// Tells whether `profile` is a variant of sRGB, for which a conversion would only add rounding errors.
fn is_srgb(profile: &ColorProfile) -> Option<bool> {
    let steps = || (0..=u8::MAX).step_by(15);
    let samples: Vec<u8> = steps()
        .flat_map(|red| steps().flat_map(move |green| steps().flat_map(move |blue| [red, green, blue])))
        .collect();
    let out = transformed(profile, &samples, Layout::Rgb, Layout::Rgb)?;
    Some(samples.iter().zip(&out).all(|(before, after)| before.abs_diff(*after) <= 1))
}

fn transformed(profile: &ColorProfile, pixels: &[u8], from: Layout, to: Layout) -> Option<Vec<u8>> {
    let options = TransformOptions {
        rendering_intent: RenderingIntent::RelativeColorimetric,
        // Precise and not fast, because there are at most 1,280 by 1,280 pixels.
        prefer_fixed_point: false,
        ..TransformOptions::default()
    };
    let transform = profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, options).ok()?;
    let mut out = vec![0; pixels.len() / from.channels() * to.channels()];
    transform.transform(pixels, &mut out).ok()?;
    Some(out)
}
