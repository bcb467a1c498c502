//! Where uploaded pictures are decoded: in a process of their own, which has no secrets, little memory and little time.
//!
//! A decoder is what hostile files aim at, and one of 40 megapixels honestly takes hundreds of megabytes. Neither is the
//! server's to lose: the process that it starts for each upload (`snack-server prepare-picture`, [`main`]) yields to
//! requests, gives its memory back by ending, and when it dies the file was no picture.

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
    image::{self, Extension, MAX_BYTES, Prepared, Refusal},
    uploads::{DecodingPermit, UploadPermit, Uploads},
};
use crate::error::ApiError;

/// Time of a core that the process may take. A file that takes longer is made to.
const CPU_LIMIT: Duration = Duration::from_secs(20);
/// Time until the process has to be done. On a busy machine it gets less than a core.
const DEADLINE: Duration = Duration::from_secs(40);
/// The most that the process says: two pictures of at most 1,280 pixels a side, as PNG.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;
/// What the process may map: 40 megapixels of 16 bits and four channels, and the same again of 8 bits.
const MAX_MEMORY: u64 = 1024 * 1024 * 1024;
/// How much the process yields to requests.
const POLITENESS: i32 = 10;

/// Starts the processes.
pub struct Sandbox {
    program: PathBuf,
    /// Bounds on what is uploaded and decoded at once.
    pub uploads: Uploads,
}

/// An uploaded file that has been read.
pub struct Upload {
    /// The file.
    pub file: Blocks,
    /// Permission to hold it.
    pub permit: UploadPermit,
}

/// Bytes that are collected without ever being moved: a vector that grows takes twice its size when it does.
#[derive(Default)]
pub struct Blocks {
    blocks: Vec<Vec<u8>>,
    length: usize,
}

impl Blocks {
    const BLOCK: usize = 64 * 1024;

    /// The bytes collected so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds `bytes`.
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

    /// The bytes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.blocks.iter().map(Vec::as_slice)
    }
}

impl Sandbox {
    /// A sandbox that starts `program`, which is this very program.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self { program, uploads: Uploads::default() }
    }

    /// [`image::prepare`] in a process of its own.
    ///
    /// # Errors
    /// As [`image::prepare`]; `unsupported_media_type` for a file that a decoder dies of, too.
    pub async fn prepare(&self, upload: &Upload, _permit: &DecodingPermit) -> Result<Prepared, ApiError> {
        let mut process = Command::new(&self.program)
            .arg("prepare-picture")
            .env_clear()
            .current_dir("/")
            // Ctrl-C in a terminal is for the server, which lets it finish.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(ApiError::internal)?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let talk = async {
            let write = async {
                if let Some(mut stdin) = stdin {
                    for block in upload.file.iter() {
                        // A process that does not read to the end has found out enough.
                        if stdin.write_all(block).await.is_err() {
                            break;
                        }
                    }
                }
            };
            let read = async {
                let mut said = Vec::new();
                if let Some(stdout) = stdout {
                    stdout.take(MAX_ANSWER).read_to_end(&mut said).await?;
                }
                Ok::<_, io::Error>(said)
            };
            tokio::join!(write, read).1
        };
        let said = timeout(DEADLINE, talk).await;
        let _ = process.kill().await;
        match said {
            Ok(Ok(said)) if !said.is_empty() => understand(said),
            Ok(outcome) => {
                tracing::warn!(?outcome, "the process that decodes a picture ended early");
                Err(Refusal::Damaged.into())
            }
            Err(error) => {
                tracing::warn!("a picture was not decoded in time");
                Err(ApiError::unavailable(error))
            }
        }
    }
}

/// The inside: reads a file from standard input, writes to standard output what is to be stored of it.
///
/// The first line is `EXTENSION LENGTH`, followed by the picture, which is so many bytes long, and by its thumbnail; or the
/// name of a refusal.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = confine().and_then(|()| {
        let mut bytes = Vec::new();
        io::stdin().take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        let mut out = io::stdout().lock();
        match image::prepare(&bytes) {
            Ok(prepared) => {
                writeln!(out, "{} {}", prepared.extension.name(), prepared.image.len())?;
                out.write_all(&prepared.image)?;
                out.write_all(&prepared.thumbnail)?;
            }
            Err(refusal) => writeln!(out, "{}", refusal.name())?,
        }
        out.flush()
    });
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Gives up what a decoder does not need.
fn confine() -> io::Result<()> {
    let at_most = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::As, at_most(MAX_MEMORY))?;
    setrlimit(Resource::Cpu, at_most(CPU_LIMIT.as_secs()))?;
    // Not even an empty file, and no core dump.
    setrlimit(Resource::Fsize, at_most(0))?;
    setrlimit(Resource::Core, at_most(0))?;
    nice(POLITENESS)?;
    Ok(())
}

/// What the process said.
fn understand(said: Vec<u8>) -> Result<Prepared, ApiError> {
    let garbled = || ApiError::internal("the process that decodes pictures said something else");
    let end = said.iter().position(|byte| *byte == b'\n').ok_or_else(garbled)?;
    let line = std::str::from_utf8(&said[..end]).map_err(|_| garbled())?;
    if let Some(refusal) = Refusal::ALL.into_iter().find(|refusal| refusal.name() == line) {
        return Err(refusal.into());
    }
    let (extension, length) = line.split_once(' ').ok_or_else(garbled)?;
    let extension = Extension::ALL.into_iter().find(|known| known.name() == extension).ok_or_else(garbled)?;
    let length: usize = length.parse().map_err(|_| garbled())?;
    let mut image = said;
    image.drain(..=end);
    if length > image.len() {
        return Err(garbled());
    }
    let thumbnail = image.split_off(length);
    Ok(Prepared { image, thumbnail, extension })
}
