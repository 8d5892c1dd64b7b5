use std::fs::File;
use std::io::{self, Read};

/// How many bytes are read at once: enough rows for all threads, little beside a file.
const BLOCK_BYTES: usize = 4 << 20;

/// Finds where records end.
pub(super) trait Scanner {
    /// Looks at `bytes[from..]` and pushes the position behind every record that ends there.
    fn scan(&mut self, bytes: &[u8], from: usize, ends: &mut Vec<usize>);
    /// The first `count` bytes are gone; positions that are remembered shift.
    fn forget(&mut self, count: usize);
}

/// Whole records, one behind the other.
pub(super) struct Block {
    /// The text of all records.
    pub(super) bytes: Vec<u8>,
    /// The position behind each record, ascending; the last is the length of `bytes`.
    pub(super) ends: Vec<usize>,
    /// Whether the last record ends with the file and not with an end of its own.
    pub(super) cut: bool,
}

/// A file as blocks of whole records, hashed on the way.
pub(super) struct Blocks {
    file: File,
    hasher: blake3::Hasher,
    rest: Vec<u8>,
    /// The memory of a block that is done with; fresh memory costs a page fault every 4 KiB.
    spare: Vec<u8>,
    bytes_read: u64,
    at_end: bool,
}

impl Blocks {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            hasher: blake3::Hasher::new(),
            rest: Vec::new(),
            spare: Vec::new(),
            bytes_read: 0,
            at_end: false,
        }
    }

    /// The next records, or `None` at the end; a last record needs no line end.
    pub(super) fn next(&mut self, scanner: &mut dyn Scanner) -> io::Result<Option<Block>> {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        bytes.append(&mut self.rest);
        let mut ends = Vec::new();
        while ends.is_empty() && !self.at_end {
            let scanned = bytes.len();
            self.read_more(&mut bytes)?;
            scanner.scan(&bytes, scanned, &mut ends);
        }
        let cut = self.at_end && ends.last().copied().unwrap_or(0) < bytes.len();
        if cut {
            ends.push(bytes.len());
        }
        let Some(&end) = ends.last() else { return Ok(None) };
        self.rest.extend_from_slice(&bytes[end..]);
        bytes.truncate(end);
        scanner.forget(end);
        Ok(Some(Block { bytes, ends, cut }))
    }

    fn read_more(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let before = bytes.len();
        bytes.reserve(BLOCK_BYTES + 1);
        let read = self.file.by_ref().take(BLOCK_BYTES as u64).read_to_end(bytes)?;
        self.at_end = read < BLOCK_BYTES;
        self.bytes_read += read as u64;
        self.hasher.update(&bytes[before..]);
        Ok(())
    }

    /// Takes back the memory of a block that is done with.
    pub(super) fn recycle(&mut self, bytes: Vec<u8>) {
        if bytes.capacity() > self.spare.capacity() {
            self.spare = bytes;
        }
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The hash of the whole file, also of what was not asked for.
    pub(super) fn content_hash(&mut self) -> io::Result<String> {
        io::copy(&mut self.file, &mut self.hasher)?;
        Ok(self.hasher.finalize().to_hex().to_string())
    }
}

/// The BLAKE3 hash of a file, hexadecimal.
pub(super) fn hash_of(mut file: File) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut file, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}
