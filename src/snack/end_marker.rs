//! Check that a picture file is complete. Decoders accept truncated files. Only the structure is parsed; trailing bytes are allowed, and
//! the content is left to the decoders.

use image::ImageFormat;

/// Tells whether `bytes`, a file of `format`, contain its end.
pub fn is_complete(format: ImageFormat, bytes: &[u8]) -> bool {
    let mut rest = Rest(bytes);
    let end = match format {
        ImageFormat::Jpeg => jpeg(&mut rest),
        ImageFormat::Png => png(&mut rest),
        ImageFormat::Gif => gif(&mut rest),
        ImageFormat::WebP => webp(bytes),
        _ => None,
    };
    end.is_some()
}

/// Bytes that are not parsed yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

/// Parses markers up to the end of the image. The end of a thumbnail is inside of a segment, which is skipped by its length. Pixels follow
/// the segment that starts a scan; in them 0xff is followed by zero, a restart, or the next marker.
fn jpeg(rest: &mut Rest) -> Option<()> {
    rest.take(2)?;
    loop {
        // Pixels, or unexpected bytes.
        let at = rest.0.iter().position(|byte| *byte == 0xff)?;
        rest.take(at + 1)?;
        while rest.0.first() == Some(&0xff) {
            rest.take(1)?;
        }
        match rest.byte()? {
            // End of the image.
            0xd9 => return Some(()),
            // No marker, or a marker without a segment: TEM, restart, start of image.
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length = u16::from_be_bytes(rest.array()?);
                rest.take(usize::from(length).checked_sub(2)?)?;
            }
        }
    }
}

/// Parses chunks up to IEND.
fn png(rest: &mut Rest) -> Option<()> {
    rest.take(8)?;
    loop {
        let length = u32::from_be_bytes(rest.array()?);
        let kind: [u8; 4] = rest.array()?;
        rest.take(usize::try_from(length).ok()?)?;
        let _checksum: [u8; 4] = rest.array()?;
        if kind == *b"IEND" {
            return Some(());
        }
    }
}

/// Parses blocks up to the trailer.
fn gif(rest: &mut Rest) -> Option<()> {
    let header: [u8; 13] = rest.array()?;
    rest.take(colour_table(header[10]))?;
    loop {
        match rest.byte()? {
            b';' => return Some(()),
            b'!' => {
                rest.byte()?;
                sub_blocks(rest)?;
            }
            b',' => {
                let frame: [u8; 9] = rest.array()?;
                rest.take(colour_table(frame[8]))?;
                // Code size.
                rest.byte()?;
                sub_blocks(rest)?;
            }
            // GIF87a ignores bytes between blocks.
            _ => {}
        }
    }
}

/// Size of the colour table, from its flags.
fn colour_table(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

fn sub_blocks(rest: &mut Rest) -> Option<()> {
    loop {
        match rest.byte()? {
            0 => return Some(()),
            length => rest.take(usize::from(length))?,
        };
    }
}

/// Parses chunks. A WebP has no end marker, but its header and its chunks have lengths.
fn webp(bytes: &[u8]) -> Option<()> {
    let mut file = Rest(bytes);
    file.take(4)?;
    let length = u32::from_le_bytes(file.array()?);
    let mut rest = Rest(file.take(usize::try_from(length).ok()?)?);
    // Name of the format.
    rest.take(4);
    while !rest.0.is_empty() {
        let _kind: [u8; 4] = rest.array()?;
        let length = usize::try_from(u32::from_le_bytes(rest.array()?)).ok()?;
        rest.take(length)?;
        // Padding of an odd length, which some encoders omit at the end.
        if length % 2 == 1 {
            rest.take(1);
        }
    }
    Some(())
}
