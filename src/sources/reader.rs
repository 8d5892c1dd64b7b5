use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use rayon::prelude::*;

use super::arena::Arena;
use super::canonical::Canonical;
use super::kaggle_lmsys::KaggleLmsys;
use super::kaggle_wsdm::KaggleWsdm;
use super::pairs::Pairs;
use super::{Counts, Decode, Format, ReadOptions, SourceError, SourceRow};
use crate::battle::BattleId;
use crate::tables::{Cell, Chunk, Table, TableError};

/// How many rows one thread decodes before it looks for more.
const ROWS_PER_TASK: usize = 64;
/// Room for the texts of such a task; 64 rows of Kaggle size take about 200 KB.
const ROOM_PER_TASK: usize = 600_000;
const ROOM_KEPT: usize = 16 << 20;

/// A file as a stream of battles; only one chunk of it is in memory.
pub struct Reader {
    table: Table,
    decoder: Box<dyn Decode>,
    format: Format,
    counts: Counts,
    seen: HashMap<BattleId, u64>,
    upcoming: Option<Result<Chunk, TableError>>,
    rows_left: usize,
}

/// Opens a file of battles of any format.
///
/// # Errors
/// When the file cannot be read, has no row, or its columns are those of no format.
pub fn open(path: &Path, options: &ReadOptions) -> Result<Reader, SourceError> {
    Reader::open(path, options, true)
}

impl Reader {
    pub(super) fn open(path: &Path, options: &ReadOptions, keep_metadata: bool) -> Result<Self, SourceError> {
        make_room(ROOM_KEPT);
        let mut table = Table::open(path)?;
        let first = table.next_chunk()?.ok_or_else(|| table.no_rows())?;
        let format = match options.format {
            Some(format) => format,
            None => detect(&table, &first)?,
        };
        Ok(Self {
            decoder: decoder(&table, format, keep_metadata)?,
            format,
            counts: Counts::default(),
            seen: HashMap::new(),
            upcoming: Some(Ok(first)),
            rows_left: options.max_rows.unwrap_or(usize::MAX),
            table,
        })
    }

    /// The next battles, in the order of the file, or `None` at the end.
    ///
    /// # Errors
    /// The first fault in the order of the rows.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<SourceRow>>, SourceError> {
        if self.rows_left == 0 {
            return Ok(None);
        }
        let Some(chunk) = self.upcoming.take() else { return Ok(None) };
        let chunk = chunk?;
        let rows = chunk.len().min(self.rows_left);
        self.rows_left -= rows;
        let (path, decoder, table) = (self.table.path().to_owned(), &*self.decoder, &mut self.table);
        // The next bytes are fetched and cut into records while these are decoded.
        let (decoded, upcoming) =
            rayon::join(|| decode(&path, &chunk, rows, decoder), || table.next_chunk().transpose());
        self.upcoming = upcoming;
        self.table.recycle(chunk);
        let (mut battles, counts) = decoded?;
        self.counts.add(&counts);
        for battle in &mut battles {
            self.check_id(battle)?;
        }
        Ok(Some(battles))
    }

    /// Every id stands once. Where ids are made of the content, rows that repeat it are numbered.
    fn check_id(&mut self, battle: &mut SourceRow) -> Result<(), SourceError> {
        let row = battle.row;
        let id = &battle.battle.id;
        let first = match self.seen.entry(id.clone()) {
            Entry::Vacant(new) => {
                new.insert(row);
                return Ok(());
            }
            Entry::Occupied(known) => *known.get(),
        };
        if !self.decoder.ids_are_content() {
            let (path, id) = (self.table.path().to_owned(), id.clone());
            return Err(SourceError::RepeatedId { path, id, first, second: row });
        }
        let numbered = (2..).map(|count: u64| BattleId(format!("{id}~{count}")));
        if let Some(free) = numbered.into_iter().find(|id| !self.seen.contains_key(id)) {
            self.seen.insert(free.clone(), row);
            battle.battle.id = free;
        }
        Ok(())
    }

    /// The format of the file.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// What was odd in the rows so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How much there is to read and in which unit (`bytes`, or `rows` of Parquet).
    ///
    /// # Errors
    /// When the system does not say how large the file is.
    pub fn total(&self) -> Result<(u64, &'static str), SourceError> {
        Ok(self.table.total()?)
    }

    /// How much is read, in the unit of `total`.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.table.done()
    }

    /// The counts, and the BLAKE3 hash of the bytes of the whole file, hexadecimal.
    ///
    /// # Errors
    /// When the rest of the file cannot be read.
    pub fn finish(self) -> Result<(Counts, String), SourceError> {
        Ok((self.counts, self.table.content_hash()?))
    }
}

/// Asks for memory and gives it back at once.
///
/// glibc enlarges the memory of every thread but the first page by page, one system call each, which costs a
/// fifth of the time of reading. Room that was there before is kept (up to about `ROOM_KEPT`, once so much
/// was given back) and the texts of a task then find their place without a call. Elsewhere it does nothing.
fn make_room(bytes: usize) {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(bytes)));
}

fn detect(table: &Table, first: &Chunk) -> Result<Format, SourceError> {
    let row = first.row(0)?;
    let texts: Vec<Cell<'_>> = ["prompt", "response_a", "response_b"]
        .iter()
        .filter_map(|name| Some(row.cell(table.column(name)?).clone()))
        .collect();
    let format = Format::of(table, &texts);
    format.ok_or_else(|| {
        let found = table.columns().iter().map(|column| format!("`{}`", TableError::shown(column))).collect();
        SourceError::UnknownFormat { path: table.path().to_owned(), found }
    })
}

fn decoder(table: &Table, format: Format, keep_metadata: bool) -> Result<Box<dyn Decode>, SourceError> {
    Ok(match format {
        Format::Canonical => Box::new(Canonical::new(table, keep_metadata)?),
        Format::KaggleLmsys => Box::new(KaggleLmsys::new(table, keep_metadata)?),
        Format::KaggleWsdm => Box::new(KaggleWsdm::new(table, keep_metadata)?),
        Format::Arena33k | Format::Arena100k | Format::Arena140k | Format::ArenaExpert | Format::MtBench => {
            Box::new(Arena::new(table, format, keep_metadata)?)
        }
        Format::Pairs => Box::new(Pairs::new(table, keep_metadata)?),
        Format::Outcomes => return Err(SourceError::NoText { path: table.path().to_owned() }),
    })
}

/// Decodes the rows of a chunk by many threads; results and the first fault are in the order of the rows.
fn decode(
    path: &Path,
    chunk: &Chunk,
    rows: usize,
    decoder: &dyn Decode,
) -> Result<(Vec<SourceRow>, Counts), SourceError> {
    let tasks: Vec<Result<(Vec<SourceRow>, Counts), SourceError>> = (0..rows.div_ceil(ROWS_PER_TASK))
        .into_par_iter()
        .map(|task| {
            make_room(ROOM_PER_TASK);
            let mut counts = Counts::default();
            let mut battles = Vec::with_capacity(ROWS_PER_TASK);
            for index in task * ROWS_PER_TASK..rows.min((task + 1) * ROWS_PER_TASK) {
                let row = chunk.row(index)?;
                counts.rows += 1;
                counts.lone_surrogates += row.lone_surrogates;
                let before = battles.len();
                decoder
                    .decode(&row, &mut counts, &mut battles)
                    .map_err(|fault| fault.at(path, row.number))?;
                battles[before..].iter().for_each(|battle| counts.observe(battle));
            }
            Ok((battles, counts))
        })
        .collect();
    let mut all = Vec::with_capacity(rows);
    let mut counts = Counts::default();
    for task in tasks {
        let (battles, odd) = task?;
        all.extend(battles);
        counts.add(&odd);
    }
    Ok((all, counts))
}
