//! Results of a long run as they come: framed, checksummed records at the end of one file, so that an
//! interrupted run is continued where it stopped.
//!
//! A frame is the length of its payload (u32), 16 bytes of the BLAKE3 hash of its position and payload, and
//! the payload; all numbers little-endian. The first payload is the header as JSON, each other one is a
//! batch: number of items and values an item (u32 each), then per item its number (u64) and values (f32).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

const FORMAT_VERSION: u32 = 1;
const FRAME_HEAD: usize = 4 + 16;
/// At most so much is lost when the machine itself stops; a killed process loses no record.
const SYNC_EVERY: Duration = Duration::from_secs(2);
/// How often and after what pause a lock is tried.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// What a journal belongs to: nothing else may continue it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Hash of everything that is read: battles, encoding recipe, orders.
    pub input: String,
    /// Hash of everything that computes: graph, weights, head.
    pub model: String,
}

/// One computed item: its number and its values.
pub type ItemValues = (usize, Vec<f32>);

/// A journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is one already.
    #[error("there is an unfinished run at `{}`; `--resume` continues it, `--force` starts afresh", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to other data or another model.
    #[error(
        "`{}` was written for {what}; the same input and model continue it, `--force` starts afresh",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// It is no journal, or holds what no run writes.
    #[error("`{}` {message}; `--force` starts afresh", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The system refused.
    #[error("`{}`: {source}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What an earlier run left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// Every whole record, in the order in which they were written.
    pub items: Vec<ItemValues>,
    /// Bytes of a record that was being written when the run ended; they were cut off.
    pub cut_bytes: u64,
}

/// An open journal, locked against a second process.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    end: u64,
    records: usize,
    synced: Instant,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format_version: u32,
    identity: Identity,
}

impl Journal {
    /// Begins a journal.
    ///
    /// # Errors
    /// `JournalError::Exists` when there is one already.
    pub fn create(path: &Path, identity: &Identity) -> Result<Self, JournalError> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
        let file = file.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => JournalError::Exists { path: path.to_owned() },
            _ => JournalError::System { path: path.to_owned(), source },
        })?;
        let mut journal = Self::over(file, path)?;
        journal.write_header(identity)?;
        Ok(journal)
    }

    /// Opens a journal, or begins one where there is none, and gives what it holds.
    ///
    /// # Errors
    /// `JournalError::Foreign` when it belongs to another input or model, `Damaged` when it is no journal.
    pub fn resume(path: &Path, identity: &Identity) -> Result<(Self, Recovered), JournalError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|source| JournalError::System { path: path.to_owned(), source })?;
        let mut journal = Self::over(file, path)?;
        let recovered = journal.recover(identity)?;
        Ok((journal, recovered))
    }

    /// Appends the items of a batch, after which they survive the end of the process.
    ///
    /// # Errors
    /// `JournalError::System` when the disk refuses.
    pub fn append(&mut self, items: &[ItemValues]) -> Result<(), JournalError> {
        let payload = encode(items);
        self.write_frame(&payload)?;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.file.sync_data().map_err(|source| self.system(source))?;
            self.synced = Instant::now();
        }
        self.records += 1;
        abort_if_injected(self.records);
        Ok(())
    }

    /// Removes the file when its results have reached their final place.
    ///
    /// # Errors
    /// `JournalError::System` when the system refuses.
    pub fn remove(self) -> Result<(), JournalError> {
        std::fs::remove_file(&self.path).map_err(|source| self.system(source))
    }

    fn over(file: File, path: &Path) -> Result<Self, JournalError> {
        let journal = Self { file, path: path.to_owned(), end: 0, records: 0, synced: Instant::now() };
        // A program that is just being started from here holds a copy of an open file until it begins.
        for attempt in 1.. {
            match journal.file.try_lock() {
                Ok(()) => break,
                Err(_) if attempt < LOCK_ATTEMPTS => std::thread::sleep(LOCK_PAUSE),
                Err(_) => return Err(journal.damaged("is in use by another process")),
            }
        }
        Ok(journal)
    }

    fn write_header(&mut self, identity: &Identity) -> Result<(), JournalError> {
        let header = Header { format_version: FORMAT_VERSION, identity: identity.clone() };
        let text = serde_json::to_vec(&header).map_err(|error| self.damaged(&error.to_string()))?;
        self.write_frame(&text)?;
        self.file.sync_all().map_err(|source| self.system(source))?;
        abort_if_injected(0);
        Ok(())
    }

    fn write_frame(&mut self, payload: &[u8]) -> Result<(), JournalError> {
        let length =
            u32::try_from(payload.len()).map_err(|_| self.damaged("cannot hold a record of 4 GiB"))?;
        let mut frame = Vec::with_capacity(FRAME_HEAD + payload.len());
        frame.extend(length.to_le_bytes());
        frame.extend(checksum(self.end, payload));
        frame.extend(payload);
        self.file.write_all(&frame).map_err(|source| self.system(source))?;
        self.end += frame.len() as u64;
        Ok(())
    }

    fn recover(&mut self, identity: &Identity) -> Result<Recovered, JournalError> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes).map_err(|source| self.system(source))?;
        let mut recovered = Recovered::default();
        match frame_at(&bytes, 0) {
            Some(header) => self.check_header(header, identity)?,
            // The process ended while the very first frame was written.
            None if could_be_torn(&bytes) => {}
            None => return Err(self.damaged("is no journal of tiebreak, or its beginning is damaged")),
        }
        let mut end = 0;
        while let Some(payload) = frame_at(&bytes, end) {
            if end > 0 {
                let items = decode(payload).ok_or_else(|| self.damaged("holds a record of another kind"))?;
                recovered.items.extend(items);
                self.records += 1;
            }
            end += FRAME_HEAD + payload.len();
        }
        recovered.cut_bytes = (bytes.len() - end) as u64;
        self.end = end as u64;
        self.file.set_len(self.end).map_err(|source| self.system(source))?;
        self.file.seek(SeekFrom::Start(self.end)).map_err(|source| self.system(source))?;
        if end == 0 {
            self.write_header(identity)?;
        }
        self.refuse_repeated(&recovered)?;
        Ok(recovered)
    }

    fn check_header(&self, header: &[u8], identity: &Identity) -> Result<(), JournalError> {
        let header: Header =
            serde_json::from_slice(header).map_err(|_| self.damaged("has a header of another kind"))?;
        let foreign = |what| Err(JournalError::Foreign { path: self.path.clone(), what });
        match header {
            Header { format_version, .. } if format_version != FORMAT_VERSION => {
                foreign("another version of tiebreak")
            }
            Header { identity: theirs, .. } if theirs.input != identity.input => foreign("another input"),
            Header { identity: theirs, .. } if theirs.model != identity.model => foreign("another model"),
            _ => Ok(()),
        }
    }

    fn refuse_repeated(&self, recovered: &Recovered) -> Result<(), JournalError> {
        let mut numbers: Vec<usize> = recovered.items.iter().map(|(item, _)| *item).collect();
        numbers.sort_unstable();
        match numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(self.damaged(&format!("holds item {} twice", pair[0]))),
            None => Ok(()),
        }
    }

    fn damaged(&self, message: &str) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), message: message.to_owned() }
    }

    fn system(&self, source: io::Error) -> JournalError {
        JournalError::System { path: self.path.clone(), source }
    }
}

/// The position is hashed too, so that a frame is valid only where it was written.
fn checksum(position: u64, payload: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&position.to_le_bytes()).update(payload);
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

/// The payload of a whole frame.
fn frame_at(bytes: &[u8], start: usize) -> Option<&[u8]> {
    let head = bytes.get(start..start + FRAME_HEAD)?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let payload = bytes.get(start + FRAME_HEAD..(start + FRAME_HEAD).checked_add(length)?)?;
    (checksum(start as u64, payload) == head[4..]).then_some(payload)
}

/// Whether the bytes may be the beginning of a header whose rest was never written.
fn could_be_torn(bytes: &[u8]) -> bool {
    const LONGEST_HEADER: u32 = 4096;
    let announced = bytes.get(..4).and_then(|head| head.try_into().ok()).map(u32::from_le_bytes);
    announced.is_none_or(|length| length <= LONGEST_HEADER && bytes.len() < FRAME_HEAD + length as usize)
}

fn encode(items: &[ItemValues]) -> Vec<u8> {
    let width = items.first().map_or(0, |(_, values)| values.len());
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let mut payload = Vec::with_capacity(8 + items.len() * (8 + 4 * width));
    payload.extend(count(items.len()));
    payload.extend(count(width));
    for (item, values) in items {
        payload.extend((*item as u64).to_le_bytes());
        payload.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    payload
}

fn decode(payload: &[u8]) -> Option<Vec<ItemValues>> {
    let number =
        |start: usize| Some(u32::from_le_bytes(payload.get(start..start + 4)?.try_into().ok()?) as usize);
    let (count, width) = (number(0)?, number(4)?);
    let size = width.checked_mul(4)?.checked_add(8)?;
    if payload.len() != count.checked_mul(size)?.checked_add(8)? {
        return None;
    }
    payload[8..]
        .chunks_exact(size)
        .map(|chunk| {
            let item = usize::try_from(u64::from_le_bytes(chunk[..8].try_into().ok()?)).ok()?;
            let values = chunk[8..].as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
            Some((item, values.collect()))
        })
        .collect()
}

/// Tests break a run at every boundary this way, 0 being the header; no clean-up may run.
fn abort_if_injected(records: usize) {
    let after = std::env::var("TIEBREAK_INJECT_ABORT_AFTER").ok().and_then(|text| text.parse().ok());
    if after == Some(records) {
        std::process::abort();
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
