//! Ends of picture files: tells a file that is complete from one that was cut off.
//!
//! Only the structure is walked, and trailing bytes are fine; whether what stands between is sound is for the decoders to say.

use image::ImageFormat;

/// Tells whether `bytes`, which begin like a file of `format`, go on to its end.
#[must_use]
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

/// Bytes that are still to be read; none of the reads goes beyond them.
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

/// Goes from marker to marker. A thumbnail's end stands inside a segment, which is passed over by its length; pixels stand
/// behind the segment that begins a scan, and in them 0xff is followed by zero, by a restart, or by the next marker.
fn jpeg(rest: &mut Rest) -> Option<()> {
    rest.take(2)?;
    loop {
        // Pixels, or bytes that do not belong here.
        let at = rest.0.iter().position(|byte| *byte == 0xff)?;
        rest.take(at + 1)?;
        while rest.0.first() == Some(&0xff) {
            rest.take(1)?;
        }
        match rest.byte()? {
            // The end of the image.
            0xd9 => return Some(()),
            // No marker; markers that stand alone: TEM, restarts, another beginning.
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length = u16::from_be_bytes(rest.array()?);
                rest.take(usize::from(length).checked_sub(2)?)?;
            }
        }
    }
}

/// Goes from chunk to chunk up to IEND.
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

/// Goes from block to block up to the trailer.
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
                // The code size.
                rest.byte()?;
                sub_blocks(rest)?;
            }
            // GIF87a passes over what stands between blocks.
            _ => {}
        }
    }
}

/// Bytes of the colour table that these flags announce.
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

/// A WebP has no marker at its end: its header says how long it is, and each chunk in it as well.
fn webp(bytes: &[u8]) -> Option<()> {
    let mut file = Rest(bytes);
    file.take(4)?;
    let length = u32::from_le_bytes(file.array()?);
    let mut rest = Rest(file.take(usize::try_from(length).ok()?)?);
    // The name of the format. A file that says it has not even that is for the decoder to judge.
    rest.take(4);
    while !rest.0.is_empty() {
        let _kind: [u8; 4] = rest.array()?;
        let length = usize::try_from(u32::from_le_bytes(rest.array()?)).ok()?;
        rest.take(length)?;
        // The padding of an odd length, which some leave out at the end.
        if length % 2 == 1 {
            rest.take(1);
        }
    }
    Some(())
}
