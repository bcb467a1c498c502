//! Malicious uploads, each built byte by byte: decompression bombs, polyglots, fragments and files that are no images.

use std::sync::LazyLock;

use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};

use crate::snack::images::{chunk, declares, encoded, picture, with_segment};

/// A file and the status of its upload.
pub struct ForgedImage {
    pub what: String,
    pub bytes: Vec<u8>,
    /// As it stands between the quotes of the part's header.
    pub file_name: Vec<u8>,
    pub status: u16,
}

/// Payloads that are hidden in the files and must not be served.
pub const PAYLOADS: &[&[u8]] = &[
    b"<script",
    b"<html",
    b"<?php",
    b"alert(1)",
    b"PK\x03\x04",
    b"%PDF-",
    b"/etc/passwd",
    b"N37.5665",
    b"Exif\0",
    b"ICC_PROFILE",
    b"http://ns.adobe.com/xap",
];

const SCRIPT: &[u8] = b"<html><script>alert(1)</script>";
const PHP: &[u8] = b"<?php system($_GET['c']); readfile('/etc/passwd'); ?>";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Beyond the signature and IHDR.
const AFTER_HEADER: usize = 8 + 25;

/// Every forged image.
pub static ALL: LazyLock<Vec<ForgedImage>> = LazyLock::new(|| {
    let tables =
        [png_bombs(), gif_bombs(), jpeg_bombs(), webp_bombs(), polyglots(), fragments(), flips(), other_files()];
    let named = tables.into_iter().flatten().map(|(what, status, bytes)| ForgedImage {
        file_name: b"cat.png".to_vec(),
        what,
        bytes,
        status,
    });
    named.chain(file_names()).collect()
});

type Table = Vec<(String, u16, Vec<u8>)>;

fn table<const N: usize>(rows: [(&str, u16, Vec<u8>); N]) -> Table {
    rows.into_iter().map(|(what, status, bytes)| (what.to_owned(), status, bytes)).collect()
}

/// A zlib stream of `count` zeros, with thirteen bits for every 258 of them.
fn zeros(count: u64) -> Vec<u8> {
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

fn header(width: u32, height: u32, depth: u8, colour: u8, interlaced: u8) -> Vec<u8> {
    let data = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colour, 0, 0, interlaced]].concat();
    chunk(*b"IHDR", &data)
}

/// A PNG of these chunks only.
fn png_of(chunks: &[Vec<u8>]) -> Vec<u8> {
    [PNG, &chunks.concat(), &chunk(*b"IEND", &[])].concat()
}

/// A complete black PNG.
fn black(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let channels = match colour {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let row = 1 + (u64::from(width) * channels * u64::from(depth)).div_ceil(8);
    png_of(&[header(width, height, depth, colour, 0), chunk(*b"IDAT", &zeros(row * u64::from(height)))])
}

fn tiny() -> Vec<u8> {
    encoded(&picture(8, 8), ImageFormat::Png)
}

/// A small PNG with `data` between its header and its pixels.
fn png_with(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let png = tiny();
    [&png[..AFTER_HEADER], &chunk(kind, data), &png[AFTER_HEADER..]].concat()
}

fn png_bombs() -> Table {
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

fn gif_bombs() -> Table {
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
fn with_sides(mut jpeg: Vec<u8>, width: u16, height: u16) -> Vec<u8> {
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

fn jpeg_bombs() -> Table {
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

fn riff(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let length = |data: &[u8]| u32::try_from(data.len()).expect("a small file").to_le_bytes();
    let mut body = b"WEBP".to_vec();
    for (kind, data) in chunks {
        body.extend([&kind[..], &length(data), data, &vec![0; data.len() % 2]].concat());
    }
    [&b"RIFF"[..], &length(&body), &body].concat()
}

/// The lossless pixels of a WebP image with `side` by `side` pixels.
fn lossless(side: u32) -> Vec<u8> {
    let file = encoded(&DynamicImage::ImageRgba8(RgbaImage::new(side, side)), ImageFormat::WebP);
    file[20..].to_vec()
}

fn three_bytes(number: u32) -> Vec<u8> {
    number.to_le_bytes()[..3].to_vec()
}

/// The extended header of a WebP image. Its sides are stored minus one.
fn canvas(flags: u8, width: u32, height: u32) -> Vec<u8> {
    [vec![flags, 0, 0, 0], three_bytes(width), three_bytes(height)].concat()
}

fn webp_bombs() -> Table {
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

/// Files that are images and something else as well.
fn polyglots() -> Table {
    let jpeg = encoded(&picture(60, 40), ImageFormat::Jpeg);
    let gif = encoded(&picture(60, 40), ImageFormat::Gif);
    let zip = [&b"PK\x03\x04\x0a\0\0\0\0\0"[..], b"../../etc/passwd", PHP, b"PK\x05\x06", &[0; 18]].concat();
    // A script engine reads the width of the screen as the start of a comment that another comment ends.
    let comment = b"\x21\xfe\x0e*/=1;alert(1);\0";
    let script = self::gif(u16::from_le_bytes(*b"/*"), 1, 1);
    let script = [&script[..19], comment, &script[19..]].concat();
    // Code spelled in the colours of the pixels, which a JPEG keeps only roughly.
    let pixels = RgbImage::from_fn(13, 4, |x, y| {
        let at = usize::try_from(3 * (y * 13 + x)).expect("a pixel");
        image::Rgb(std::array::from_fn(|channel| PHP[(at + channel) % PHP.len()]))
    });
    let tiff = [&b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"[..], b"N37.5665 E126.9780", PHP].concat();
    let xmp = [&b"http://ns.adobe.com/xap/1.0/\0"[..], SCRIPT].concat();
    table([
        ("PNG and ZIP", 201, [&tiny()[..], &zip].concat()),
        ("PNG and PHP in a text", 201, png_with(*b"tEXt", &[b"Comment\0", PHP].concat())),
        ("PNG and PHP in its palette", 201, png_with(*b"PLTE", &[PHP, b" "].concat())),
        ("PNG and PHP in its pixels", 201, encoded(&pixels.into(), ImageFormat::Png)),
        ("PNG and HTML in a chunk of its own", 201, png_with(*b"htMl", SCRIPT)),
        ("PNG and EXIF", 201, png_with(*b"eXIf", &tiff[6..])),
        ("GIF and JavaScript", 201, script),
        ("GIF and HTML behind it", 201, [&gif[..], SCRIPT].concat()),
        ("GIF and ZIP", 201, [&gif[..], &zip].concat()),
        ("JPEG and HTML in a comment", 201, with_segment(&jpeg, 0xfe, SCRIPT)),
        ("JPEG and PHP in EXIF", 201, with_segment(&jpeg, 0xe1, &tiff)),
        ("JPEG and HTML in XMP", 201, with_segment(&jpeg, 0xe1, &xmp)),
        ("JPEG and PDF behind it", 201, [&jpeg[..], b"%PDF-1.7\n1 0 obj <</JS (alert(1))>>\n%%EOF"].concat()),
        ("JPEG and ZIP", 201, [&jpeg[..], &zip].concat()),
        ("PDF and JPEG in it", 415, [b"%PDF-1.7\n1 0 obj <</Length 9>> stream\n", &jpeg[..]].concat()),
        ("ZIP and PNG in it", 415, [&zip[..], &tiny()].concat()),
        ("HTML and PNG in it", 415, [SCRIPT, &tiny()].concat()),
    ])
}

const FORMATS: [(&str, ImageFormat); 4] =
    [("PNG", ImageFormat::Png), ("JPEG", ImageFormat::Jpeg), ("WebP", ImageFormat::WebP), ("GIF", ImageFormat::Gif)];

/// Each format cut at several places, in hundredths of its length.
fn fragments() -> Table {
    let mut rows = Table::new();
    for (name, format) in FORMATS {
        let file = encoded(&picture(200, 200), format);
        for cut in [1, 10, 50, 90, 99] {
            let bytes = file[..file.len() * cut / 100].to_vec();
            rows.push((format!("{cut} % of a {name}"), 415, bytes));
        }
    }
    rows
}

fn flips() -> Table {
    let flipped = |at: usize| {
        let mut file = tiny();
        file[at] ^= 0x10;
        file
    };
    let from_the_end = tiny().len();
    table([
        ("PNG with a flipped bit in its signature", 415, flipped(1)),
        ("PNG with a flipped bit in its width", 415, flipped(18)),
        ("PNG with a flipped bit in its header's checksum", 415, flipped(30)),
        ("PNG with a flipped bit in its pixels", 415, flipped(AFTER_HEADER + 20)),
        ("PNG with a flipped bit in its pixels' checksum", 415, flipped(from_the_end - 13)),
        ("PNG with a flipped bit in its last checksum", 201, flipped(from_the_end - 1)),
    ])
}

/// Files that are no images, or images of another format.
fn other_files() -> Table {
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><rect width='8' height='8'/></svg>";
    let xxe = b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg>&x;</svg>";
    let entity_bomb = b"<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>]><svg>&b;</svg>";
    let bmp = [&b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0"[..], &[0; 28]].concat();
    let icon = b"\0\0\x01\0\x01\0\x08\x08\0\0\x01\0\x20\0\x40\0\0\0\x16\0\0\0";
    table([
        ("SVG", 415, svg.to_vec()),
        ("SVG with a script", 415, [&b"<svg onload='alert(1)'>"[..], SCRIPT, b"</svg>"].concat()),
        ("SVG behind a byte order mark", 415, [&b"\xef\xbb\xbf"[..], svg].concat()),
        ("SVG in UTF-16", 415, svg.iter().flat_map(|byte| [*byte, 0]).collect()),
        ("SVG in gzip", 415, [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], svg].concat()),
        ("HTML", 415, SCRIPT.to_vec()),
        ("XML that reads a file", 415, xxe.to_vec()),
        ("XML that laughs", 415, entity_bomb.to_vec()),
        ("PHP", 415, PHP.to_vec()),
        ("BMP", 415, bmp),
        ("TIFF, little-endian", 415, b"II*\0\x08\0\0\0\0\0\0\0\0\0".to_vec()),
        ("TIFF, big-endian", 415, b"MM\0*\0\0\0\x08\0\0\0\0\0\0".to_vec()),
        ("ICO", 415, [&icon[..], &tiny()].concat()),
        ("AVIF", 415, b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf".to_vec()),
        ("HEIC", 415, b"\0\0\0\x18ftypheic\0\0\0\0heicmif1".to_vec()),
        ("JPEG XL", 415, b"\xff\x0a\xfa\x7f\x01\x90\x08\x06\x01\0".to_vec()),
        ("JPEG 2000", 415, b"\0\0\0\x0cjP  \r\n\x87\n".to_vec()),
        ("PSD", 415, [&b"8BPS\0\x01"[..], &[0; 20]].concat()),
        ("PNM", 415, b"P3\n1 1\n255\n0 0 0\n".to_vec()),
        ("PNM of all the pixels in the world", 415, b"P6\n99999 99999\n255\n".to_vec()),
        ("QOI", 415, b"qoif\0\0\0\x01\0\0\0\x01\x04\0\xc0\0\0\0\0\0\0\0\x01".to_vec()),
        ("HDR", 415, b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\0\0\0\0".to_vec()),
        ("farbfeld", 415, [&b"farbfeld\0\0\0\x01\0\0\0\x01"[..], &[0; 8]].concat()),
        ("DDS", 415, [&b"DDS \x7c\0\0\0"[..], &[0; 120]].concat()),
        ("OpenEXR", 415, b"\x76\x2f\x31\x01\x02\0\0\0".to_vec()),
        ("TGA", 415, [&[0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 24, 0][..], &[0; 3]].concat()),
        ("RIFF that is a sound", 415, b"RIFF\x24\0\0\0WAVEfmt ".to_vec()),
        ("ELF", 415, [&b"\x7fELF\x02\x01\x01"[..], &[0; 60]].concat()),
        ("no bytes", 415, Vec::new()),
        ("one byte", 415, vec![0]),
        ("the signature of a PNG", 415, PNG.to_vec()),
        ("the signature of a GIF", 415, b"GIF89a".to_vec()),
        ("the signature of a JPEG", 415, b"\xff\xd8\xff".to_vec()),
        ("the signature of a WebP", 415, b"RIFF\0\0\0\0WEBP".to_vec()),
        ("five mebibytes of nothing", 415, vec![0; 5 << 20]),
        ("five mebibytes and a byte of nothing", 413, vec![0; (5 << 20) + 1]),
        ("six mebibytes behind a PNG", 413, [&tiny()[..], &vec![0; 6 << 20]].concat()),
    ])
}

/// A valid image under file names that try to escape the folder or to set another type.
fn file_names() -> Vec<ForgedImage> {
    let long = vec![b'a'; 6_000];
    let rows: &[(&str, u16, &[u8])] = &[
        ("a path upwards", 201, b"../../../../etc/passwd"),
        ("a path upwards in another system", 201, b"..\\..\\..\\windows\\win.ini"),
        ("an encoded path upwards", 201, b"%2e%2e%2f%2e%2e%2fetc%2fpasswd"),
        ("an absolute path", 201, b"/etc/passwd"),
        ("a drive's path", 201, b"C:\\autoexec.bat"),
        ("an address", 201, b"http://169.254.169.254/latest/meta-data"),
        ("a settings file", 201, b".htaccess"),
        ("a program", 201, b"x.php"),
        ("a program behind a picture", 201, b"x.png.php"),
        ("a picture behind a NUL", 201, b"x.php%00.png"),
        ("dots", 201, b".."),
        ("a device", 201, b"CON"),
        ("a stream", 201, b"x.png::$DATA"),
        ("a command", 201, b"`id`;$(id)|id"),
        ("an escaped quote", 201, b"x\\\".php"),
        ("an encoded line break", 201, b"x%0d%0aX-Evil: 1"),
        ("from right to left", 201, "x\u{202e}gnp.php".as_bytes()),
        ("Korean", 201, "새우깡.png".as_bytes()),
        ("a script", 201, b"<script>alert(1)</script>.png"),
        ("a statement", 201, b"'; DROP TABLE snacks; --.png"),
        ("6,000 characters", 201, &long),
        ("no UTF-8", 201, b"\xff\xfe.png"),
        ("a NUL", 400, b"x.php\0.png"),
        ("a quote", 201, b"x\"; name=\"price"),
        ("a line break", 201, b"x\r\nX-Evil: 1"),
    ];
    rows.iter()
        .map(|(what, status, name)| ForgedImage {
            what: format!("a file name that is {what}"),
            bytes: tiny(),
            file_name: name.to_vec(),
            status: *status,
        })
        .collect()
}
