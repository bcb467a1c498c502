//! Pictures: judged by decoding them, stored as we encode them.
//!
//! What a client uploads never reaches the disk: it is decoded, turned upright, made smaller where it is larger than anybody
//! shows it, and encoded anew, so that metadata, trailing data and whatever else hid in the file are gone.

use std::{io::Cursor, sync::Arc};

use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, codecs::jpeg::JpegEncoder, imageops::FilterType,
};
use tokio::{sync::Semaphore, task::spawn_blocking};
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

/// Bounds how many pictures are decoded at once: one of 40 megapixels takes 160 MB while it is.
pub struct Images(Arc<Semaphore>);

impl Default for Images {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(2)))
    }
}

impl Images {
    /// [`prepare`] on a blocking thread.
    ///
    /// # Errors
    /// As [`prepare`].
    pub async fn prepare(&self, bytes: Vec<u8>) -> Result<Prepared, ApiError> {
        let permit = Arc::clone(&self.0).acquire_owned().await.map_err(ApiError::internal)?;
        let work = move || {
            let prepared = prepare(&bytes);
            drop(permit);
            prepared
        };
        spawn_blocking(work).await.map_err(ApiError::internal)?
    }
}

/// A picture ready to be stored.
#[derive(Debug)]
pub struct Prepared {
    image: Vec<u8>,
    thumbnail: Vec<u8>,
    extension: &'static str,
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
    let (format, extension) =
        if picture.color().has_alpha() { (ImageFormat::Png, "png") } else { (ImageFormat::Jpeg, "jpg") };
    Ok(Prepared {
        image: encode(&within(&picture, SIDE), format)?,
        thumbnail: encode(&within(&picture, THUMBNAIL_SIDE), format)?,
        extension,
    })
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, ApiError> {
    let refused = |_| ApiError::from(Code::UnsupportedMediaType);
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
    let (name, extension) = (Uuid::new_v4(), prepared.extension);
    let stored = Stored { image: format!("{name}.{extension}"), thumbnail: format!("{name}-small.{extension}") };
    media.put(&stored.image, prepared.image).await?;
    media.put(&stored.thumbnail, prepared.thumbnail).await?;
    Ok(stored)
}

/// Removes a stored picture.
pub async fn remove(media: &Media, stored: &Stored) {
    media.delete(&stored.image).await;
    media.delete(&stored.thumbnail).await;
}
