//! Copies of one model, each on a thread that does nothing but run it, and the queue that feeds them.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use ort::session::Session;
use serde::{Deserialize, Serialize};

use super::batch::{self, PaddedBatch, Row};
use super::device::Device;
use super::foundry::{flushes_denormals, in_foundry};
use super::library::{LibraryInfo, describe, find_library_for};
use super::making::make_for;
use super::output::RawOutput;
use super::placement::{self, Placement};
use super::signature::Signature;
use super::{BatchError, BatchOutput, SessionError, environment, session};

/// How a model is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// Where.
    pub device: Device,
    /// Copies of the model on the processor, each on its own thread; a GPU gets one copy each.
    pub copies: usize,
    /// Threads of each copy inside one operator.
    pub threads: usize,
    /// The id that fills short rows.
    pub pad_id: u32,
    /// The output to read; the best known one if absent.
    pub output: Option<String>,
}

impl PoolOptions {
    /// One copy a thread, which on two cores is faster than one copy of two threads (see `benches`).
    #[must_use]
    pub fn for_threads(device: Device, threads: usize) -> Self {
        Self { device, copies: threads.max(1), threads: 1, pad_id: 0, output: None }
    }
}

/// What was made, as plain data for a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolReport {
    /// The devices in use, as `--device` would name them, one a copy.
    pub devices: Vec<String>,
    /// Why these.
    pub choice: String,
    /// Threads of a copy inside one operator.
    pub threads: usize,
    /// Where each node runs; of the first copy.
    pub placement: Placement,
    /// Whether the threads of the sessions flush denormals to zero.
    pub flushes_denormals: bool,
    /// The library.
    pub library: LibraryInfo,
    /// What the model asks for and gives.
    pub signature: Signature,
}

/// Copies of one model and their threads, which end when the pool is dropped.
#[derive(Debug)]
pub struct SessionPool {
    jobs: Option<Sender<Job>>,
    workers: Vec<JoinHandle<()>>,
    report: PoolReport,
    pad_id: u32,
}

struct Job {
    tag: usize,
    batch: PaddedBatch,
    reply: Sender<Done>,
}

struct Done {
    tag: usize,
    rows: usize,
    sequence: usize,
    result: Result<RawOutput, BatchError>,
}

impl SessionPool {
    /// Loads the library and the model on every device.
    ///
    /// # Errors
    /// `SessionError` when the library, the device or the model cannot be used; with `auto` a device that
    /// cannot be used is no error, and the report says why the processor was chosen.
    pub fn open(model: &Path, options: &PoolOptions) -> Result<Self, SessionError> {
        let path = find_library_for(options.device.kind())?;
        let library = describe(&path)?;
        let environment = environment::load(&path)?;
        let (sessions, targets, choice) = make_for(&environment, &library, model, options)?;
        let first = sessions.first().ok_or(SessionError::Thread { message: "there is none".to_owned() })?;
        let signature = session::signature_of(first, options.output.as_deref())
            .map_err(|message| SessionError::Signature { path: model.to_owned(), message })?;
        let mut report = PoolReport {
            devices: targets.iter().map(|target| target.name()).collect(),
            choice,
            threads: options.threads.max(1),
            placement: placement::of_session(first),
            flushes_denormals: false,
            library,
            signature,
        };
        let (jobs, queue) = channel();
        let (workers, flushing) = start(sessions, Arc::new(report.signature.clone()), queue)?;
        report.flushes_denormals = flushing;
        Ok(Self { jobs: Some(jobs), workers, report, pad_id: options.pad_id })
    }

    /// What was made.
    #[must_use]
    pub fn report(&self) -> &PoolReport {
        &self.report
    }

    /// Sessions that run at the same time.
    #[must_use]
    pub fn copies(&self) -> usize {
        self.workers.len()
    }

    /// A line of one's own to the queue: results come back to whoever submitted.
    #[must_use]
    pub fn line(&self) -> Line<'_> {
        let (reply, results) = channel();
        Line { pool: self, reply, results, waiting: 0 }
    }
}

impl Drop for SessionPool {
    fn drop(&mut self) {
        self.jobs = None;
        for worker in self.workers.drain(..) {
            // A thread that panicked has nothing left to clean up.
            let _ = worker.join();
        }
    }
}

/// A line to the sessions of a pool.
pub struct Line<'a> {
    pool: &'a SessionPool,
    reply: Sender<Done>,
    results: Receiver<Done>,
    waiting: usize,
}

impl Line<'_> {
    /// Batches that were submitted and not received.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Pads rows here and queues the batch; the result comes back under the same tag.
    ///
    /// # Errors
    /// `BatchError` when a row does not fit the model, or the sessions are gone.
    pub fn submit(&mut self, tag: usize, rows: &[Row<'_>]) -> Result<(), BatchError> {
        let batch = batch::pad(&self.pool.report.signature, rows, self.pool.pad_id)?;
        let gone = BatchError::Failed {
            rows: batch.lengths.len(),
            sequence: batch.sequence,
            message: "every session thread has ended".to_owned(),
        };
        let job = Job { tag, batch, reply: self.reply.clone() };
        let jobs = self.pool.jobs.as_ref();
        if self.pool.workers.iter().all(JoinHandle::is_finished)
            || jobs.is_none_or(|jobs| jobs.send(job).is_err())
        {
            return Err(gone);
        }
        self.waiting += 1;
        Ok(())
    }

    /// The next result, of whichever batch was ready first; `None` when nothing is waiting.
    pub fn receive(&mut self) -> Option<(usize, Result<BatchOutput, BatchError>)> {
        if self.waiting == 0 {
            return None;
        }
        let done = self.results.recv().ok()?;
        self.waiting -= 1;
        let Done { tag, rows, sequence, result } = done;
        let output = result.and_then(|raw| {
            raw.read(rows, sequence).map_err(|message| BatchError::Failed { rows, sequence, message })
        });
        Some((tag, output))
    }
}

/// Starts one thread a session, from the foundry, whose mark they inherit; says whether all bear it.
fn start(
    sessions: Vec<Session>,
    signature: Arc<Signature>,
    queue: Receiver<Job>,
) -> Result<(Vec<JoinHandle<()>>, bool), SessionError> {
    let queue = Arc::new(Mutex::new(queue));
    let (marks, marked) = channel();
    let started = in_foundry(move || {
        let mut workers = Vec::with_capacity(sessions.len());
        for (number, session) in sessions.into_iter().enumerate() {
            let (queue, signature, marks) = (Arc::clone(&queue), Arc::clone(&signature), marks.clone());
            let run = move || {
                let _ = marks.send(flushes_denormals());
                drop(marks);
                work(session, &signature, &queue);
            };
            workers.push(thread::Builder::new().name(format!("onnx-{number}")).spawn(run)?);
        }
        Ok(workers)
    })?;
    let workers =
        started.map_err(|error: std::io::Error| SessionError::Thread { message: error.to_string() })?;
    Ok((workers, marked.iter().all(|flushes| flushes)))
}

/// What a session's thread does until the pool is dropped.
fn work(mut session: Session, signature: &Signature, queue: &Mutex<Receiver<Job>>) {
    let limit = injected_memory_limit();
    loop {
        // The guard is a temporary of this statement: the queue is free again while the batch runs.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { tag, batch, reply }) = job else { return };
        let (rows, sequence) = (batch.rows, batch.sequence);
        let result = if limit.is_some_and(|limit| rows * sequence > limit) {
            Err(BatchError::Memory { rows, sequence, message: "out of memory (injected)".to_owned() })
        } else {
            session::run(&mut session, signature, batch)
        };
        // Whoever submitted the batch may have stopped waiting for it.
        let _ = reply.send(Done { tag, rows, sequence, result });
    }
}

/// Tests exhaust memory by naming how many padded tokens fit.
fn injected_memory_limit() -> Option<usize> {
    std::env::var("TIEBREAK_INJECT_MEMORY_TOKENS").ok()?.parse().ok()
}
