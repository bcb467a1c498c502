//! The process that decodes an uploaded picture (`snack-server prepare-picture`, [`main`]). It has no secrets, and limits on memory
//! and time.
//!
//! Decoders are a target of hostile files, and a valid picture of 40 megapixels takes hundreds of megabytes. A process of its own
//! protects the server from both: it has a low priority, its memory is returned when it ends, and a crash is a 415 of this upload.
//!
//! Price: 3 ms of CPU for the process, where decoding and encoding a screenshot of the web app takes 40 ms.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
    process::{ExitCode, Stdio},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

use super::{
    image::{self, Extension, ImageError, MAX_BYTES, Prepared},
    uploads::{DecodingPermit, UploadPermit, Uploads},
};
use crate::error::{ApiError, chain};

/// Limit of CPU time. Only a hostile file takes longer.
const CPU_LIMIT: Duration = Duration::from_secs(20);
/// Limit of elapsed time. On a busy machine the process gets less than a core.
const TIMEOUT: Duration = Duration::from_secs(40);
/// Maximum size of the output in bytes: a PNG of at most 1,280 pixels a side, and a thumbnail.
const MAX_OUTPUT: u64 = 16 * 1024 * 1024;
/// Limit of address space in bytes: 40 megapixels with four channels of 16 bits, and a copy with 8 bits.
const MAX_MEMORY: u64 = 1024 * 1024 * 1024;
/// Niceness of the process (`nice(2)`).
const NICENESS: i32 = 10;

/// Starts a process for each picture.
pub struct ImageWorker {
    program: PathBuf,
    pub uploads: Uploads,
}

/// Uploaded file.
pub struct Upload {
    pub file: Blocks,
    pub permit: UploadPermit,
}

/// Growing list of bytes that is never reallocated. A vector needs twice its size while it grows.
#[derive(Default)]
pub struct Blocks {
    blocks: Vec<Vec<u8>>,
    length: usize,
}

impl Blocks {
    const BLOCK: usize = 64 * 1024;

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub fn push(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            let block = match self.blocks.last_mut() {
                Some(block) if block.len() < Self::BLOCK => block,
                _ => self.blocks.push_mut(Vec::with_capacity(Self::BLOCK)),
            };
            let (now, later) = bytes.split_at(bytes.len().min(Self::BLOCK - block.len()));
            block.extend_from_slice(now);
            bytes = later;
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.blocks.iter().map(Vec::as_slice)
    }
}

impl ImageWorker {
    /// `program` is the executable of the server.
    pub fn new(program: PathBuf) -> Self {
        Self { program, uploads: Uploads::default() }
    }

    /// [`image::prepare`] in a process of its own.
    ///
    /// # Errors
    /// Those of [`image::prepare`]; `unsupported_media_type` when the process crashes, too; `unavailable` after [`TIMEOUT`].
    pub async fn prepare(&self, upload: &Upload, _permit: &DecodingPermit) -> Result<Prepared, ApiError> {
        let mut process = Command::new(&self.program)
            .arg("prepare-picture")
            .env_clear()
            // Else the allocator takes all the address space at once, and nothing is left for the WebP library, which has another one.
            .env("MIMALLOC_ARENA_RESERVE", "0")
            .current_dir("/")
            // Ctrl-C in a terminal must not stop the process: the server waits for it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(ApiError::internal)?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let exchange = async {
            let write = async {
                if let Some(mut stdin) = stdin {
                    for block in upload.file.iter() {
                        // A process that does not read to the end has found an error.
                        if stdin.write_all(block).await.is_err() {
                            break;
                        }
                    }
                }
            };
            let read = async {
                let mut output = Vec::new();
                if let Some(stdout) = stdout {
                    stdout.take(MAX_OUTPUT).read_to_end(&mut output).await?;
                }
                Ok::<_, io::Error>(output)
            };
            tokio::join!(write, read).1
        };
        let output = timeout(TIMEOUT, exchange).await;
        let _ = process.kill().await;
        match output {
            Ok(Ok(output)) if !output.is_empty() => parse_output(output),
            Ok(outcome) => {
                let cause = outcome.err().map(|error| chain(&error).to_string());
                tracing::warn!(cause, "image process ended without output");
                Err(ImageError::Damaged.into())
            }
            Err(error) => {
                tracing::warn!("image process did not end in time");
                Err(ApiError::unavailable(error))
            }
        }
    }
}

/// Entry point of the process. Reads a file from standard input and writes the result to standard output: a line `EXTENSION LENGTH`, the
/// picture of this length, and the thumbnail; or a line with the name of an error.
pub fn main() -> ExitCode {
    let outcome = apply_rlimits().and_then(|()| {
        let mut bytes = Vec::new();
        io::stdin().take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        let mut out = io::stdout().lock();
        match image::prepare(&bytes) {
            Ok(prepared) => {
                writeln!(out, "{} {}", prepared.extension.name(), prepared.image.len())?;
                out.write_all(&prepared.image)?;
                out.write_all(&prepared.thumbnail)?;
            }
            Err(error) => writeln!(out, "{}", error.name())?,
        }
        out.flush()
    });
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Limits the process to what a decoder needs.
fn apply_rlimits() -> io::Result<()> {
    let limit = |max: u64| Rlimit { current: Some(max), maximum: Some(max) };
    setrlimit(Resource::As, limit(MAX_MEMORY))?;
    setrlimit(Resource::Cpu, limit(CPU_LIMIT.as_secs()))?;
    // No files, and no core dump.
    setrlimit(Resource::Fsize, limit(0))?;
    setrlimit(Resource::Core, limit(0))?;
    nice(NICENESS)?;
    Ok(())
}

fn parse_output(output: Vec<u8>) -> Result<Prepared, ApiError> {
    let malformed = || ApiError::internal("malformed output of the image process");
    let end = output.iter().position(|byte| *byte == b'\n').ok_or_else(malformed)?;
    let line = std::str::from_utf8(&output[..end]).map_err(|_| malformed())?;
    if let Some(error) = ImageError::ALL.into_iter().find(|error| error.name() == line) {
        return Err(error.into());
    }
    let (extension, length) = line.split_once(' ').ok_or_else(malformed)?;
    let extension = Extension::ALL.into_iter().find(|known| known.name() == extension).ok_or_else(malformed)?;
    let length: usize = length.parse().map_err(|_| malformed())?;
    let mut image = output;
    image.drain(..=end);
    if length > image.len() {
        return Err(malformed());
    }
    let thumbnail = image.split_off(length);
    Ok(Prepared { image, thumbnail, extension })
}
