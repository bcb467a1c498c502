//! Pictures: judged by decoding them, stored as we encode them.
//!
//! What a client uploads never reaches the disk: it is decoded, turned upright, made smaller where it is larger than anybody
//! shows it, and encoded anew, so that metadata, trailing data and whatever else hid in the file are gone.

use std::{io::Cursor, time::Duration};

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, codecs::jpeg::JpegEncoder,
    imageops::FilterType,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::storage::Media;
use super::{colour, end_marker};
use crate::error::{ApiError, Code};

/// The most that an uploaded picture may weigh, in bytes.
pub const MAX_BYTES: usize = 5 * 1024 * 1024;
/// The most pixels that an uploaded picture may have.
const MAX_PIXELS: u64 = 40_000_000;
/// The longer side of the stored picture and of its thumbnail, in pixels.
const SIDE: u32 = 1280;
const THUMBNAIL_SIDE: u32 = 320;
const JPEG_QUALITY: u8 = 85;
/// Time that the store may take for a picture and its thumbnail.
const STORE_DEADLINE: Duration = Duration::from_secs(20);

/// Reasons to refuse a file as a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// More than [`MAX_BYTES`].
    TooManyBytes,
    /// More than 40 megapixels, or more memory than as many take.
    TooManyPixels,
    /// No PNG, JPEG, WebP or GIF, or one of a kind that cannot be decoded.
    Unsupported,
    /// Cut off, or broken otherwise.
    Damaged,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TooManyBytes, Self::TooManyPixels, Self::Unsupported, Self::Damaged];

    /// The broken rule, for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooManyBytes => "too_many_bytes",
            Self::TooManyPixels => "too_many_pixels",
            Self::Unsupported => "unsupported_picture",
            Self::Damaged => "damaged_picture",
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::TooManyBytes | Refusal::TooManyPixels => Code::PayloadTooLarge,
            Refusal::Unsupported | Refusal::Damaged => Code::UnsupportedMediaType,
        };
        Self::on_field(code, "image", refusal.name())
    }
}

impl From<ImageError> for Refusal {
    fn from(error: ImageError) -> Self {
        match error {
            // A decoder of its own accord refuses a size beyond the memory that it may take.
            ImageError::Limits(_) => Self::TooManyPixels,
            ImageError::Unsupported(_) => Self::Unsupported,
            _ => Self::Damaged,
        }
    }
}

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

/// Decodes an uploaded picture and encodes what is to be stored of it: sRGB, as JPEG, or PNG where something shines through.
/// Of an animation the first frame is kept.
///
/// # Errors
/// The [`Refusal`] of a file that is too large, incomplete, or no PNG, JPEG, WebP or GIF.
pub fn prepare(bytes: &[u8]) -> Result<Prepared, Refusal> {
    if bytes.len() > MAX_BYTES {
        return Err(Refusal::TooManyBytes);
    }
    let (picture, profile) = decode(bytes)?;
    let extension = if picture.color().has_alpha() { Extension::Png } else { Extension::Jpg };
    let encoded = |side| encode(&colour::to_srgb(within(&picture, side), profile.as_deref()), extension.format());
    Ok(Prepared { image: encoded(SIDE)?, thumbnail: encoded(THUMBNAIL_SIDE)?, extension })
}

/// The picture with 8 bits a channel, upright, and its ICC profile.
fn decode(bytes: &[u8]) -> Result<(DynamicImage, Option<Vec<u8>>), Refusal> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| Refusal::Unsupported)?;
    // Only these four are compiled in; a fifth must not come along with some other crate's features.
    let known = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif];
    let format = reader.format().filter(|format| known.contains(format)).ok_or(Refusal::Unsupported)?;
    // Decoders fill what is missing with grey, or stop reading before the end.
    if !end_marker::is_complete(format, bytes) {
        return Err(Refusal::Damaged);
    }
    reader.limits(Limits::default());
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(Refusal::Damaged);
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(Refusal::TooManyPixels);
    }
    // A profile that cannot be read is none, as in browsers.
    let profile = decoder.icc_profile().ok().flatten();
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    let kind = picture.color();
    // Grey stays grey as long as its profile is one for grey.
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

fn encode(picture: &DynamicImage, format: ImageFormat) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    match format {
        ImageFormat::Jpeg => picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)),
        other => picture.write_to(&mut Cursor::new(&mut bytes), other),
    }?;
    Ok(bytes)
}

/// Stores a picture and its thumbnail under a name that nobody else chose: both or, when either fails, neither.
///
/// # Errors
/// `unavailable` when the store does not take them, or not in time.
pub async fn store(media: &Media, prepared: Prepared) -> Result<Stored, ApiError> {
    let (name, extension) = (Uuid::new_v4(), prepared.extension.name());
    let stored = Stored { image: format!("{name}.{extension}"), thumbnail: format!("{name}-small.{extension}") };
    let put = async {
        // At the same time, because each waits for the disk. Neither is given up half-way when the other fails: what it
        // wrote afterwards would stay behind.
        let (image, thumbnail) =
            tokio::join!(media.put(&stored.image, prepared.image), media.put(&stored.thumbnail, prepared.thumbnail));
        image.and(thumbnail)
    };
    match timeout(STORE_DEADLINE, put).await.unwrap_or_else(|late| Err(ApiError::unavailable(late))) {
        Ok(()) => Ok(stored),
        Err(failure) => {
            // A store that does not answer is not waited for: the sweep removes what it kept.
            let _ = timeout(STORE_DEADLINE, remove(media, &stored)).await;
            Err(failure)
        }
    }
}

/// The content type of the picture stored under `path`; none when [`store`] gives no such name.
#[must_use]
pub fn content_type(path: &str) -> Option<&'static str> {
    let (stem, extension) = path.rsplit_once('.')?;
    let name = stem.strip_suffix("-small").unwrap_or(stem);
    // An identifier has several spellings, of which the store uses one.
    Uuid::try_parse(name).ok().filter(|uuid| uuid.to_string() == name)?;
    Extension::ALL.into_iter().find(|known| known.name() == extension).map(Extension::content_type)
}

/// Removes a stored picture.
pub async fn remove(media: &Media, stored: &Stored) {
    media.delete(&stored.image).await;
    media.delete(&stored.thumbnail).await;
}
