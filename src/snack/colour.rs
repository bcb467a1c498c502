//! Colours: converted from a picture's ICC profile to sRGB, which is what a picture without a profile is shown in.

use image::{DynamicImage, RgbImage, RgbaImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, RenderingIntent, TransformOptions};

/// Bytes of a profile at the most. Those of screens and cameras have less than a tenth of it.
const MAX_PROFILE: usize = 1024 * 1024;

/// `picture`, which has 8 bits a channel, in sRGB. A profile that is broken, oversized, or one for other channels than the
/// picture has (CMYK, whose pixels the decoder has turned into RGB) counts as none: browsers do the same.
#[must_use]
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
    let target = if has_alpha { Layout::Rgba } else { Layout::Rgb };
    let options = TransformOptions {
        rendering_intent: RenderingIntent::RelativeColorimetric,
        prefer_fixed_point: false,
        ..TransformOptions::default()
    };
    let transform = profile.create_transform_8bit(layout, &ColorProfile::new_srgb(), target, options).ok()?;
    let (width, height) = (picture.width(), picture.height());
    let count = pixels.len() / layout.channels() * target.channels();
    let mut out = vec![0; count];
    transform.transform(&pixels, &mut out).ok()?;
    if has_alpha {
        RgbaImage::from_raw(width, height, out).map(Into::into)
    } else {
        RgbImage::from_raw(width, height, out).map(Into::into)
    }
}
