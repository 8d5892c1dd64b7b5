//! The sessions of a pool: on which devices they are made, and what is said when that fails.

use std::path::{Path, PathBuf};

use ort::environment::Environment;
use ort::session::Session;

use super::device::{Device, DeviceKind};
use super::foundry::in_foundry;
use super::library::LibraryInfo;
use super::placement::{self, Placement};
use super::pool::PoolOptions;
use super::provider::{self, Refusal, Target};
use super::{SessionError, session};

/// The sessions, their devices, and why these.
pub(super) type Made = (Vec<Session>, Vec<Target>, String);

/// One session a device, or `copies` of them on the processor, and why there.
pub(super) fn make_for(
    environment: &Environment,
    library: &LibraryInfo,
    model: &Path,
    options: &PoolOptions,
) -> Result<Made, SessionError> {
    let on = |targets: Vec<Target>, choice: String| {
        make_all(environment, model, &targets, options.threads).map(|made| (made, targets, choice))
    };
    let numbers = options.device.numbers().iter().copied();
    let cpu = || vec![Target::Cpu; options.copies.max(1)];
    let wanted: Vec<Target> = match options.device.kind() {
        DeviceKind::Cpu => cpu(),
        DeviceKind::Cuda | DeviceKind::Auto => numbers.map(Target::Cuda).collect(),
        DeviceKind::TensorRt => numbers.map(Target::TensorRt).collect(),
    };
    let refused = wanted.first().and_then(|target| provider::refused_by_library(*target, library));
    let made = match refused {
        Some(refusal) => Err(Failure::Device(refusal)),
        None => on(wanted, format!("`--device {}`", options.device)),
    };
    match made {
        Err(Failure::Device(refusal)) if options.device.kind() == DeviceKind::Auto => {
            let choice = format!("the processor, because {}; {}", refusal.reason, refusal.way_out);
            on(cpu(), choice).map_err(|failure| failure.into_error(model, &options.device))
        }
        other => other.map_err(|failure| failure.into_error(model, &options.device)),
    }
}

enum Failure {
    Device(Refusal),
    Model(String),
    Thread(SessionError),
}

impl Failure {
    fn into_error(self, model: &Path, device: &Device) -> SessionError {
        match self {
            Self::Device(Refusal { reason, way_out }) => {
                SessionError::Device { device: device.to_string(), reason, way_out }
            }
            Self::Model(message) => SessionError::Model { path: model.to_owned(), message },
            Self::Thread(error) => error,
        }
    }
}

fn make_all(
    environment: &Environment,
    model: &Path,
    targets: &[Target],
    threads: usize,
) -> Result<Vec<Session>, Failure> {
    let mut sessions = Vec::with_capacity(targets.len());
    for target in targets.iter().copied() {
        let (environment, model) = (environment.clone(), PathBuf::from(model));
        let made = in_foundry(move || session::make(&environment, &model, target, threads));
        let session = made.map_err(Failure::Thread)?.map_err(|message| {
            provider::explain(target, &message).map_or(Failure::Model(message), Failure::Device)
        })?;
        refuse_silent_fallback(target, &placement::of_session(&session))?;
        sessions.push(session);
    }
    Ok(sessions)
}

/// A provider may register, take no node, and leave everything to the processor without a word.
fn refuse_silent_fallback(target: Target, placement: &Placement) -> Result<(), Failure> {
    let taken: Option<usize> = target.providers().iter().map(|provider| placement.nodes_on(provider)).sum();
    if target == Target::Cpu || taken != Some(0) {
        return Ok(());
    }
    Err(Failure::Device(Refusal {
        reason: format!("no node of the model runs on {} ({})", target.name(), placement.summary()),
        way_out: "the model holds nothing that the device can compute".to_owned(),
    }))
}
