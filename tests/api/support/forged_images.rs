//! Malicious uploads: decompression bombs, polyglots, fragments and files that are no images.

use std::sync::LazyLock;

use image::{ImageFormat, RgbImage};

use super::image_bombs::{gif, gif_bombs, jpeg_bombs, png_bombs, png_with, tiny, webp_bombs};
use crate::support::images::{encoded, picture, with_segment};

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

pub const SCRIPT: &[u8] = b"<html><script>alert(1)</script>";
pub const PHP: &[u8] = b"<?php system($_GET['c']); readfile('/etc/passwd'); ?>";
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Beyond the signature and IHDR.
pub const AFTER_HEADER: usize = 8 + 25;

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

pub type Table = Vec<(String, u16, Vec<u8>)>;

pub fn table<const N: usize>(rows: [(&str, u16, Vec<u8>); N]) -> Table {
    rows.into_iter().map(|(what, status, bytes)| (what.to_owned(), status, bytes)).collect()
}

/// Files that are images and something else as well.
pub fn polyglots() -> Table {
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

pub const FORMATS: [(&str, ImageFormat); 4] =
    [("PNG", ImageFormat::Png), ("JPEG", ImageFormat::Jpeg), ("WebP", ImageFormat::WebP), ("GIF", ImageFormat::Gif)];

/// Each format cut at several places, in hundredths of its length.
pub fn fragments() -> Table {
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

pub fn flips() -> Table {
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
pub fn other_files() -> Table {
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
pub fn file_names() -> Vec<ForgedImage> {
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
