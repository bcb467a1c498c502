//! Images that take far more memory than bytes, built byte by byte.

use image::{DynamicImage, ImageFormat, RgbaImage};

use super::forged_images::{AFTER_HEADER, PNG, Table, table};
use crate::support::images::{chunk, declares, encoded, picture, with_segment};

/// A zlib stream of `count` zeros, with thirteen bits for every 258 of them.
pub fn zeros(count: u64) -> Vec<u8> {
    let mut bytes = vec![0x78, 0x01];
    let (mut bits, mut held) = (0_u32, 0);
    let mut push = |code: u32, length: u32| {
        bits |= code << held;
        held += length;
        while held >= 8 {
            bytes.push(bits.to_le_bytes()[0]);
            bits >>= 8;
            held -= 8;
        }
    };
    // The last block, with the fixed codes. Codes are written from their highest bit.
    push(0b011, 3);
    let literals = 1 + (count - 1) % 258;
    for _ in 0..literals {
        push(0b0000_1100, 8);
    }
    for _ in 0..(count - literals) / 258 {
        // 258 bytes from one byte back.
        push(0b1010_0011, 8);
        push(0, 5);
    }
    push(0, 7);
    push(0, 7);
    let sum = (u32::try_from(count % 65_521).expect("a remainder") << 16) | 1;
    bytes.extend(sum.to_be_bytes());
    bytes
}

pub fn header(width: u32, height: u32, depth: u8, colour: u8, interlaced: u8) -> Vec<u8> {
    let data = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colour, 0, 0, interlaced]].concat();
    chunk(*b"IHDR", &data)
}

/// A PNG of these chunks only.
pub fn png_of(chunks: &[Vec<u8>]) -> Vec<u8> {
    [PNG, &chunks.concat(), &chunk(*b"IEND", &[])].concat()
}

/// A complete black PNG.
pub fn black(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let channels = match colour {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let row = 1 + (u64::from(width) * channels * u64::from(depth)).div_ceil(8);
    png_of(&[header(width, height, depth, colour, 0), chunk(*b"IDAT", &zeros(row * u64::from(height)))])
}

pub fn tiny() -> Vec<u8> {
    encoded(&picture(8, 8), ImageFormat::Png)
}

/// A small PNG with `data` between its header and its pixels.
pub fn png_with(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let png = tiny();
    [&png[..AFTER_HEADER], &chunk(kind, data), &png[AFTER_HEADER..]].concat()
}

pub fn png_bombs() -> Table {
    let megabytes = |count: u64| zeros(count * 1_000_000);
    let palette = [
        header(4000, 4000, 8, 3, 1),
        chunk(*b"PLTE", &[0, 0, 0]),
        // An interlaced image has more rows, and surplus data is not read.
        chunk(*b"IDAT", &megabytes(17)),
    ];
    let frame = |number: u32, side: u32| {
        let control =
            [&number.to_be_bytes()[..], &side.to_be_bytes(), &side.to_be_bytes(), &[0; 8], &[0, 1, 0, 1, 0, 0]];
        chunk(*b"fcTL", &control.concat())
    };
    let animation = |frames: u32, side: u32| {
        let mut chunks = vec![
            header(8, 8, 8, 0, 0),
            chunk(*b"acTL", &[&frames.to_be_bytes()[..], &[0; 4]].concat()),
            frame(0, 8),
            chunk(*b"IDAT", &zeros(72)),
        ];
        for number in 1..frames {
            chunks.push(frame(2 * number - 1, side));
            chunks.push(chunk(*b"fdAT", &[&(2 * number).to_be_bytes()[..], &zeros(72)].concat()));
        }
        png_of(&chunks)
    };
    let mut lying_chunk = tiny();
    lying_chunk[AFTER_HEADER..AFTER_HEADER + 4].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
    let mut monstrous_chunk = tiny();
    monstrous_chunk[AFTER_HEADER..AFTER_HEADER + 4].copy_from_slice(&[0xff; 4]);
    let many_chunks = vec![chunk(*b"tEXt", b"a\0b"); 100_000].concat();
    let png = tiny();
    table([
        ("PNG that says it is 60,000 by 60,000", 413, declares(60_000, 60_000)),
        ("PNG of 60,000 by 60,000 bits, complete", 413, black(60_000, 60_000, 1, 0)),
        ("PNG of 40 million by 1", 413, declares(40_000_001, 1)),
        ("PNG of the largest sides", 413, declares(0x7fff_ffff, 0x7fff_ffff)),
        ("PNG beyond the largest sides", 413, declares(u32::MAX, u32::MAX)),
        ("PNG without width", 415, declares(0, 8)),
        ("PNG without height", 415, declares(8, 0)),
        ("PNG of 39 megapixels in one colour", 201, black(6300, 6300, 8, 2)),
        ("PNG of 39 megapixels, RGBA of 16 bits", 201, black(6300, 6300, 16, 6)),
        ("PNG of 16 megapixels in bits", 201, black(4000, 4000, 1, 0)),
        ("PNG of 16 interlaced megapixels with a palette of one", 201, png_of(&palette)),
        ("PNG of 39 megapixels that are not there", 415, declares(6300, 6300)),
        ("PNG of a pixel's height and 10 million of width", 201, black(10_000_000, 1, 1, 0)),
        ("PNG with a compressed text of 100 MB", 201, png_with(*b"zTXt", &[b"a\0\0", &megabytes(100)[..]].concat())),
        (
            "PNG with an international text of 100 MB",
            201,
            png_with(*b"iTXt", &[b"a\0\x01\0\0\0", &megabytes(100)[..]].concat()),
        ),
        ("PNG with a colour profile of 100 MB", 201, png_with(*b"iCCP", &[b"a\0\0", &megabytes(100)[..]].concat())),
        (
            "PNG with 100 MB behind its last pixel",
            201,
            png_of(&[header(8, 8, 8, 0, 0), chunk(*b"IDAT", &megabytes(100))]),
        ),
        ("PNG of 100,000 texts", 201, [&png[..AFTER_HEADER], &many_chunks, &png[AFTER_HEADER..]].concat()),
        ("PNG of 5,000 frames", 201, animation(5_000, 8)),
        ("PNG with a frame larger than itself", 201, animation(2, 60_000)),
        ("PNG with a chunk of 2 GiB that is not there", 415, lying_chunk),
        ("PNG with a chunk of 4 GiB that is not there", 415, monstrous_chunk),
        ("PNG of three bits", 415, png_of(&[header(8, 8, 3, 0, 0), chunk(*b"IDAT", &zeros(72))])),
        ("PNG of an unknown colour", 415, png_of(&[header(8, 8, 8, 5, 0), chunk(*b"IDAT", &zeros(72))])),
        ("PNG without its palette", 415, png_of(&[header(8, 8, 8, 3, 0), chunk(*b"IDAT", &zeros(72))])),
        ("PNG with two headers", 415, png_with(*b"IHDR", &header(8, 8, 8, 0, 0)[8..21])),
        ("PNG that only ends", 415, png_of(&[])),
    ])
}

/// A GIF with a screen of this size and frames of one pixel.
pub fn gif(width: u16, height: u16, frames: usize) -> Vec<u8> {
    let screen =
        [&b"GIF89a"[..], &width.to_le_bytes(), &height.to_le_bytes(), &[0x80, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff]];
    let frame = [0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 0x01, 0];
    [&screen.concat(), &frame.repeat(frames)[..], b";"].concat()
}

pub fn gif_bombs() -> Table {
    let mut large_frame = gif(1, 1, 1);
    large_frame[24..28].copy_from_slice(&[0xff; 4]);
    let mut frame_of_the_screen = gif(6300, 6300, 1);
    let [low, high] = 6300_u16.to_le_bytes();
    frame_of_the_screen[24..28].copy_from_slice(&[low, high, low, high]);
    let mut code_size = gif(1, 1, 1);
    code_size[29] = 200;
    let mut no_pixels = gif(8, 8, 1);
    no_pixels[24..28].copy_from_slice(&[0; 4]);
    table([
        ("GIF of 65,535 by 65,535 with a frame of one pixel", 413, gif(65_535, 65_535, 1)),
        ("GIF of 39 megapixels with a frame of one pixel", 201, gif(6300, 6300, 1)),
        ("GIF of one pixel with a frame of 65,535 by 65,535", 413, large_frame),
        ("GIF of 39 megapixels that are not there", 415, frame_of_the_screen),
        ("GIF of 5,000 frames", 201, gif(8, 8, 5_000)),
        ("GIF without frames", 415, gif(8, 8, 0)),
        ("GIF without width", 415, gif(0, 8, 1)),
        ("GIF without sides", 415, gif(0, 0, 1)),
        ("GIF with a frame without pixels", 415, no_pixels),
        ("GIF with an impossible code size", 415, code_size),
    ])
}

/// A baseline JPEG with other side lengths in its header.
pub fn with_sides(mut jpeg: Vec<u8>, width: u16, height: u16) -> Vec<u8> {
    let at = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).expect("a frame header") + 5;
    jpeg[at..at + 2].copy_from_slice(&height.to_be_bytes());
    jpeg[at + 2..at + 4].copy_from_slice(&width.to_be_bytes());
    jpeg
}

/// A progressive JPEG of 2,000 by 2,000, each of whose scans covers all of it in a few bytes.
pub fn scans(count: usize) -> Vec<u8> {
    let mut jpeg = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    jpeg.extend([1; 64]);
    jpeg.extend([0xff, 0xc2, 0, 11, 8, 0x07, 0xd0, 0x07, 0xd0, 1, 1, 0x11, 0]);
    // One code each: "no difference" and "nothing in the next 16,384 blocks and more".
    for (class, symbol) in [(0x00, 0x00), (0x10, 0xe0)] {
        jpeg.extend([0xff, 0xc4, 0, 20, class, 1]);
        jpeg.extend([0; 15]);
        jpeg.push(symbol);
    }
    jpeg.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0]);
    jpeg.extend([0; 7_813]);
    let scan = [0xff, 0xda, 0, 8, 1, 1, 0, 1, 63, 0, 0x7f, 0xfe, 0xff, 0, 0xff, 0];
    jpeg.extend(scan.repeat(count));
    jpeg.extend([0xff, 0xd9]);
    jpeg
}

pub fn jpeg_bombs() -> Table {
    let jpeg = || encoded(&picture(60, 40), ImageFormat::Jpeg);
    let comments = (0..75).fold(jpeg(), |jpeg, _| with_segment(&jpeg, 0xfe, &vec![b'a'; 65_000]));
    // A directory whose next directory is itself.
    let loops = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\x08";
    let entries = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\xff\xff\xff\xff\xff\xff\xff\xff";
    let profile = [&b"ICC_PROFILE\0\x01\xff"[..], &vec![0; 60_000]].concat();
    table([
        ("JPEG of 65,500 by 65,500", 413, with_sides(jpeg(), 65_500, 65_500)),
        ("JPEG of 16 megapixels that are not there", 201, with_sides(jpeg(), 4000, 4000)),
        ("JPEG without width", 415, with_sides(jpeg(), 0, 40)),
        ("JPEG without height", 415, with_sides(jpeg(), 60, 0)),
        ("JPEG of three scans", 201, scans(2)),
        ("JPEG of 5,000 scans", 415, scans(5_000)),
        ("JPEG with 75 comments of 65,000 bytes", 201, comments),
        ("JPEG whose EXIF goes in circles", 201, with_segment(&jpeg(), 0xe1, loops)),
        ("JPEG whose EXIF has more entries than bytes", 201, with_segment(&jpeg(), 0xe1, entries)),
        ("JPEG with one of 255 parts of a colour profile", 201, with_segment(&jpeg(), 0xe2, &profile)),
        ("JPEG with two beginnings", 415, [&jpeg()[..2], &jpeg()].concat()),
    ])
}

pub fn riff(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let length = |data: &[u8]| u32::try_from(data.len()).expect("a small file").to_le_bytes();
    let mut body = b"WEBP".to_vec();
    for (kind, data) in chunks {
        body.extend([&kind[..], &length(data), data, &vec![0; data.len() % 2]].concat());
    }
    [&b"RIFF"[..], &length(&body), &body].concat()
}

/// The lossless pixels of a WebP image with `side` by `side` pixels.
pub fn lossless(side: u32) -> Vec<u8> {
    let file = encoded(&DynamicImage::ImageRgba8(RgbaImage::new(side, side)), ImageFormat::WebP);
    file[20..].to_vec()
}

pub fn three_bytes(number: u32) -> Vec<u8> {
    number.to_le_bytes()[..3].to_vec()
}

/// The extended header of a WebP image. Its sides are stored minus one.
pub fn canvas(flags: u8, width: u32, height: u32) -> Vec<u8> {
    [vec![flags, 0, 0, 0], three_bytes(width), three_bytes(height)].concat()
}

pub fn webp_bombs() -> Table {
    let lossy = |sides: [u8; 4]| [&[0x10, 0, 0, 0x9d, 0x01, 0x2a][..], &sides, &[0; 20]].concat();
    let frame = |side: u32| {
        let pixels = lossless(1);
        let length = u32::try_from(pixels.len()).expect("a few bytes").to_le_bytes();
        let padding = vec![0; pixels.len() % 2];
        let place = [vec![0; 6], three_bytes(side), three_bytes(side), vec![1, 0, 0, 0]].concat();
        [place, b"VP8L".to_vec(), length.to_vec(), pixels, padding].concat()
    };
    let animation = |frames: usize, side: u32| {
        let mut chunks = vec![(b"VP8X", canvas(2, 7, 7)), (b"ANIM", vec![0; 6])];
        chunks.extend((0..frames).map(|_| (b"ANMF", frame(side))));
        riff(&chunks)
    };
    let with = |flags, kind, data: &[u8]| {
        riff(&[(b"VP8X", canvas(flags, 7, 7)), (kind, data.to_vec()), (b"VP8L", lossless(8))])
    };
    let mut lying = encoded(&picture(60, 40), ImageFormat::WebP);
    lying[4..8].copy_from_slice(&[0xff; 4]);
    let mut nothing = encoded(&picture(60, 40), ImageFormat::WebP);
    nothing[4..8].copy_from_slice(&[0; 4]);
    let mut long_chunk = encoded(&picture(60, 40), ImageFormat::WebP);
    long_chunk[16..20].copy_from_slice(&[0xff; 4]);
    table([
        ("WebP of 16,383 by 16,383 without loss", 413, riff(&[(b"VP8L", vec![0x2f, 0xfe, 0xbf, 0xff, 0x0f, 0, 0, 0])])),
        // The largest side wraps around to zero.
        ("WebP of 16,384 by 16,384 without loss", 415, riff(&[(b"VP8L", vec![0x2f, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0])])),
        ("WebP of 16,383 by 16,383 with loss", 413, riff(&[(b"VP8 ", lossy([0xff, 0x3f, 0xff, 0x3f]))])),
        ("WebP without sides", 415, riff(&[(b"VP8 ", lossy([0; 4]))])),
        (
            "WebP whose canvas is as large as can be",
            415,
            riff(&[(b"VP8X", canvas(0, 0xff_ffff, 0xff_ffff)), (b"VP8L", lossless(8))]),
        ),
        (
            "WebP whose canvas is 65,000 by 65,000",
            413,
            riff(&[(b"VP8X", canvas(0, 64_999, 64_999)), (b"VP8L", lossless(8))]),
        ),
        (
            "WebP whose canvas is larger than its picture",
            415,
            riff(&[(b"VP8X", canvas(0, 6299, 6299)), (b"VP8L", lossless(8))]),
        ),
        (
            "WebP of 39 megapixels that are not there",
            415,
            riff(&[(b"VP8L", [&[0x2f][..], &(6299_u32 + (6299 << 14)).to_le_bytes(), &[0; 8]].concat())]),
        ),
        ("WebP of 5,000 frames", 201, animation(5_000, 0)),
        ("WebP with a frame larger than itself", 415, animation(1, 60_000)),
        ("WebP that moves and has no frames", 415, animation(0, 0)),
        ("WebP with EXIF", 201, with(8, b"EXIF", b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\x08")),
        ("WebP with a colour profile of 4 MiB", 201, with(0x20, b"ICCP", &vec![7; 4 << 20])),
        ("WebP with XMP", 201, with(4, b"XMP ", b"http://ns.adobe.com/xap/1.0/ <script>alert(1)</script>")),
        ("WebP that says it has 4 GiB", 415, lying),
        ("WebP that says it has no bytes", 201, nothing),
        ("WebP whose pixels say they have 4 GiB", 415, long_chunk),
    ])
}
