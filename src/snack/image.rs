//! Decoding and encoding of pictures.
//!
//! An uploaded file is never stored. It is decoded, turned upright, made smaller if it is larger than any page shows it, and encoded
//! again, which removes metadata, trailing data and anything else hidden in the file.

use std::{io::Cursor, time::Duration};

use image::{
    DynamicImage, ImageDecoder, ImageError as DecodeError, ImageFormat, ImageReader, Limits, codecs::jpeg::JpegEncoder,
    imageops::FilterType,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::storage::Storage;
use super::{colour, end_marker};
use crate::error::{ApiError, Code};

/// Maximum size of an uploaded picture, in bytes.
pub const MAX_BYTES: usize = 5 * 1024 * 1024;
/// Maximum number of pixels of an uploaded picture.
const MAX_PIXELS: u64 = 40_000_000;
/// Maximum length of the longer side of a stored picture, in pixels.
const SIDE: u32 = 1280;
const THUMBNAIL_SIDE: u32 = 320;
const JPEG_QUALITY: u8 = 85;
/// Thumbnails of the demo data have 4 kB each with it. As JPEG of quality 85 they had 15 kB, and of quality 50 with half the colours 6 kB.
const WEBP_QUALITY: f32 = 70.0;
/// Time limit for storing a picture and its thumbnail.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// More than [`MAX_BYTES`].
    TooManyBytes,
    /// More than [`MAX_PIXELS`], or more memory than these take.
    TooManyPixels,
    /// Not a PNG, JPEG, WebP or GIF, or a variant that cannot be decoded.
    Unsupported,
    /// Truncated or corrupt.
    Damaged,
}

impl ImageError {
    pub const ALL: [Self; 4] = [Self::TooManyBytes, Self::TooManyPixels, Self::Unsupported, Self::Damaged];

    /// Code of the violated rule.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooManyBytes => "too_many_bytes",
            Self::TooManyPixels => "too_many_pixels",
            Self::Unsupported => "unsupported_picture",
            Self::Damaged => "damaged_picture",
        }
    }
}

impl From<ImageError> for ApiError {
    fn from(error: ImageError) -> Self {
        let code = match error {
            ImageError::TooManyBytes | ImageError::TooManyPixels => Code::PayloadTooLarge,
            ImageError::Unsupported | ImageError::Damaged => Code::UnsupportedMediaType,
        };
        Self::for_field(code, "image", error.name())
    }
}

impl From<DecodeError> for ImageError {
    fn from(error: DecodeError) -> Self {
        match error {
            // The decoder would exceed its memory limit.
            DecodeError::Limits(_) => Self::TooManyPixels,
            DecodeError::Unsupported(_) => Self::Unsupported,
            _ => Self::Damaged,
        }
    }
}

/// Picture ready to be stored.
#[derive(Debug, PartialEq, Eq)]
pub struct Prepared {
    pub image: Vec<u8>,
    pub thumbnail: Vec<u8>,
    pub extension: Extension,
}

/// Format of a stored picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    Jpg,
    /// For pictures with transparency.
    Png,
    /// For thumbnails.
    WebP,
}

impl Extension {
    pub const ALL: [Self; 3] = [Self::Jpg, Self::Png, Self::WebP];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpg => "jpg",
            Self::Png => "png",
            Self::WebP => "webp",
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Jpg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
        }
    }
}

/// Names of a picture and its thumbnail in the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub image: String,
    pub thumbnail: String,
}

/// Decodes an uploaded picture and encodes it for storage in sRGB: as PNG with transparency, else as JPEG, and the thumbnail as WebP. Of
/// an animation only the first frame is kept.
///
/// # Errors
/// The file is too large, incomplete, or not a PNG, JPEG, WebP or GIF.
pub fn prepare(bytes: &[u8]) -> Result<Prepared, ImageError> {
    if bytes.len() > MAX_BYTES {
        return Err(ImageError::TooManyBytes);
    }
    let (picture, profile) = decode(bytes)?;
    let extension = if picture.color().has_alpha() { Extension::Png } else { Extension::Jpg };
    let encoded = |side, extension| encode(&colour::to_srgb(within(&picture, side), profile.as_deref()), extension);
    let thumbnail = encoded(THUMBNAIL_SIDE, Extension::WebP)?;
    Ok(Prepared { image: encoded(SIDE, extension)?, thumbnail, extension })
}

/// Returns the picture, upright and with 8 bits per channel, and its ICC profile.
fn decode(bytes: &[u8]) -> Result<(DynamicImage, Option<Vec<u8>>), ImageError> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| ImageError::Unsupported)?;
    // Only these four are compiled in. Another crate's features must not add a fifth.
    let known = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif];
    let format = reader.format().filter(|format| known.contains(format)).ok_or(ImageError::Unsupported)?;
    // Decoders fill missing parts with grey, or stop before the end.
    if !end_marker::is_complete(format, bytes) {
        return Err(ImageError::Damaged);
    }
    reader.limits(Limits::default());
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(ImageError::Damaged);
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ImageError::TooManyPixels);
    }
    // An unreadable profile is ignored, as in browsers.
    let profile = decoder.icc_profile().ok().flatten();
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    let kind = picture.color();
    // Grey stays grey, because its profile may be one for grey.
    let picture = match (kind.has_color(), kind.has_alpha()) {
        (true, true) => picture.into_rgba8().into(),
        (true, false) => picture.into_rgb8().into(),
        (false, true) => picture.into_luma_alpha8().into(),
        (false, false) => picture.into_luma8().into(),
    };
    Ok((picture, profile))
}

fn within(picture: &DynamicImage, side: u32) -> DynamicImage {
    if picture.width() <= side && picture.height() <= side {
        picture.clone()
    } else {
        picture.resize(side, side, FilterType::Triangle)
    }
}

/// `picture` has 8 bits per channel, and red, green and blue.
fn encode(picture: &DynamicImage, extension: Extension) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    match extension {
        Extension::Jpg => picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?,
        Extension::Png => picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?,
        Extension::WebP => {
            let (width, height, pixels) = (picture.width(), picture.height(), picture.as_bytes());
            let encoder = if picture.color().has_alpha() {
                webp::Encoder::from_rgba(pixels, width, height)
            } else {
                webp::Encoder::from_rgb(pixels, width, height)
            };
            let encoded = encoder.encode_simple(false, WEBP_QUALITY).map_err(|_| ImageError::Damaged)?;
            bytes.extend_from_slice(&encoded);
        }
    }
    Ok(bytes)
}

/// Stores a picture and its thumbnail under a new random name. If one of them fails, the other is removed.
///
/// # Errors
/// `unavailable` when the storage fails or takes too long.
pub async fn store(storage: &Storage, prepared: Prepared) -> Result<Stored, ApiError> {
    let (name, extension) = (Uuid::new_v4(), prepared.extension.name());
    let stored = Stored { image: format!("{name}.{extension}"), thumbnail: format!("{name}-small.webp") };
    let put = async {
        // At the same time, because each waits for the disk. If one fails, the other is not cancelled: what it wrote afterwards would
        // be left over.
        let (image, thumbnail) = tokio::join!(
            storage.put(&stored.image, prepared.image),
            storage.put(&stored.thumbnail, prepared.thumbnail)
        );
        image.and(thumbnail)
    };
    match timeout(STORE_TIMEOUT, put).await.unwrap_or_else(|elapsed| Err(ApiError::unavailable(elapsed))) {
        Ok(()) => Ok(stored),
        Err(error) => {
            // The sweep removes what is left.
            remove(storage, &stored).await;
            Err(error)
        }
    }
}

/// Content type of the picture `path`. None for a name that [`store`] does not create.
pub fn content_type(path: &str) -> Option<&'static str> {
    let (stem, extension) = path.rsplit_once('.')?;
    let name = stem.strip_suffix("-small").unwrap_or(stem);
    // A UUID has several notations; the storage uses one.
    Uuid::try_parse(name).ok().filter(|uuid| uuid.to_string() == name)?;
    Extension::ALL.into_iter().find(|known| known.name() == extension).map(Extension::content_type)
}

/// Removes a picture and its thumbnail, except for what the storage does not remove in time.
pub async fn remove(storage: &Storage, stored: &Stored) {
    tokio::join!(storage.delete(&stored.image), storage.delete(&stored.thumbnail));
}
