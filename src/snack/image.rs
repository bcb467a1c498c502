//! Pictures: judged by decoding them, stored as we encode them.
//!
//! What a client uploads never reaches the disk: it is decoded, turned upright, made smaller where it is larger than anybody
//! shows it, and encoded anew, so that metadata, trailing data and whatever else hid in the file are gone.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, codecs::jpeg::JpegEncoder,
    imageops::FilterType,
};
use uuid::Uuid;

use crate::{
    error::{ApiError, Code},
    media::Media,
};

/// The most that an uploaded picture may weigh, in bytes.
pub const MAX_BYTES: usize = 5 * 1024 * 1024;
/// The most pixels that an uploaded picture may have.
const MAX_PIXELS: u64 = 40_000_000;
/// The longer side of the stored picture and of its thumbnail, in pixels.
const SIDE: u32 = 1280;
const THUMBNAIL_SIDE: u32 = 320;
const JPEG_QUALITY: u8 = 85;

/// A picture ready to be stored.
#[derive(Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The picture.
    pub image: Vec<u8>,
    /// The same, small.
    pub thumbnail: Vec<u8>,
    /// What both are.
    pub extension: Extension,
}

/// What a stored picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// JPEG.
    Jpg,
    /// PNG, where something shines through.
    Png,
}

impl Extension {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Jpg, Self::Png];

    /// At the end of a file's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpg => "jpg",
            Self::Png => "png",
        }
    }

    const fn format(self) -> ImageFormat {
        match self {
            Self::Jpg => ImageFormat::Jpeg,
            Self::Png => ImageFormat::Png,
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Jpg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

/// Where a picture is stored, as paths below `/media`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The picture.
    pub image: String,
    /// The same, small.
    pub thumbnail: String,
}

/// Decodes an uploaded picture and encodes what is to be stored of it: JPEG, or PNG where something shines through.
/// Of an animation the first frame is kept.
///
/// # Errors
/// `payload_too_large` for too many bytes or pixels, `unsupported_media_type` for anything that is no PNG, JPEG, WebP or GIF.
pub fn prepare(bytes: &[u8]) -> Result<Prepared, ApiError> {
    if bytes.len() > MAX_BYTES {
        return Err(Code::PayloadTooLarge.into());
    }
    let picture = decode(bytes)?;
    let extension = if picture.color().has_alpha() { Extension::Png } else { Extension::Jpg };
    Ok(Prepared {
        image: encode(&within(&picture, SIDE), extension.format())?,
        thumbnail: encode(&within(&picture, THUMBNAIL_SIDE), extension.format())?,
        extension,
    })
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, ApiError> {
    let refused = |error| {
        ApiError::from(match error {
            // A decoder of its own accord refuses a size beyond the memory that it may take.
            ImageError::Limits(_) => Code::PayloadTooLarge,
            _ => Code::UnsupportedMediaType,
        })
    };
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| Code::UnsupportedMediaType)?;
    // Only these four are compiled in; a fifth must not come along with some other crate's features.
    let known = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif];
    if !reader.format().is_some_and(|format| known.contains(&format)) {
        return Err(Code::UnsupportedMediaType.into());
    }
    reader.limits(Limits::default());
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(Code::UnsupportedMediaType.into());
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(Code::PayloadTooLarge.into());
    }
    let orientation = decoder.orientation().map_err(refused)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    picture.apply_orientation(orientation);
    Ok(if picture.color().has_alpha() { picture.into_rgba8().into() } else { picture.into_rgb8().into() })
}

fn within(picture: &DynamicImage, side: u32) -> DynamicImage {
    if picture.width() <= side && picture.height() <= side {
        picture.clone()
    } else {
        picture.resize(side, side, FilterType::Triangle)
    }
}

fn encode(picture: &DynamicImage, format: ImageFormat) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    match format {
        ImageFormat::Jpeg => picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)),
        other => picture.write_to(&mut Cursor::new(&mut bytes), other),
    }
    .map_err(ApiError::internal)?;
    Ok(bytes)
}

/// Stores a picture under a name that nobody else chose.
///
/// # Errors
/// `unavailable` when the store does not take it.
pub async fn store(media: &Media, prepared: Prepared) -> Result<Stored, ApiError> {
    let (name, extension) = (Uuid::new_v4(), prepared.extension.name());
    let stored = Stored { image: format!("{name}.{extension}"), thumbnail: format!("{name}-small.{extension}") };
    media.put(&stored.image, prepared.image).await?;
    media.put(&stored.thumbnail, prepared.thumbnail).await?;
    Ok(stored)
}

/// The content type of the picture stored under `path`; none when [`store`] gives no such name.
#[must_use]
pub fn content_type(path: &str) -> Option<&'static str> {
    let (stem, extension) = path.rsplit_once('.')?;
    Uuid::try_parse(stem.strip_suffix("-small").unwrap_or(stem)).ok()?;
    Extension::ALL.into_iter().find(|known| known.name() == extension).map(Extension::content_type)
}

/// Removes a stored picture.
pub async fn remove(media: &Media, stored: &Stored) {
    media.delete(&stored.image).await;
    media.delete(&stored.thumbnail).await;
}
