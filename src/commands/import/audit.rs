//! Whether f16 would hold what a model computes: its largest numbers, in f32, on battles of one's own.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::fault;
use crate::checkpoint::{Element, ModelCard, files};
use crate::commands::{BadInput, Console, OrBadInput, battles};
use crate::encoding::{Encoder, Sequence};
use crate::onnx::graph::{ImportOptions, Site, write_sites};
use crate::onnx::{Device, PoolOptions, SessionPool};
use crate::sources::ReadOptions;

/// The largest number that f16 holds.
const LARGEST_F16: f32 = 65_504.0;
/// Other texts go further than those that were seen: so many times what was seen must fit.
const MARGIN: f32 = 2.0;

/// On what the numbers of a model are looked at.
#[derive(Debug, clap::Args)]
pub(super) struct AuditArgs {
    /// Battles on which the largest numbers of the model are looked at in f32, to see whether f16 holds them
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// The first battles of the file, at most so many
    #[arg(long, value_name = "N", default_value_t = 200, requires = "audit",
          value_parser = clap::value_parser!(u32).range(1..))]
    audit_rows: u32,
}

/// What the numbers of a model reach.
#[derive(Debug, Serialize)]
pub(super) struct Audit {
    /// Sequences that were computed.
    pub(super) sequences: usize,
    /// Their tokens.
    pub(super) tokens: usize,
    /// The largest number that f16 holds.
    pub(super) largest_f16: f32,
    /// Every layer, in the order of the model.
    pub(super) layers: Vec<Layer>,
    /// Layers beyond the largest number of f16.
    pub(super) overflowing: usize,
    /// What `--in-f32` must name, so that twice what was seen fits.
    pub(super) in_f32: Vec<String>,
    /// Layers that need f32 and cannot have it by themselves.
    pub(super) beyond: Vec<String>,
}

impl Audit {
    /// What must be said of the model that was imported, where it is in f16.
    pub(super) fn warning(&self, card: &ModelCard) -> Option<String> {
        if card.element != Element::F16 {
            return None;
        }
        let missing: Vec<&str> =
            self.in_f32.iter().filter(|name| !card.in_f32.contains(name)).map(String::as_str).collect();
        if let Some(first) = self.beyond.first() {
            return Some(format!(
                "f16 does not hold {} layers in which attention computes, the first is `{first}`: import with `--dtype f32` \
                 or bf16",
                self.beyond.len()
            ));
        }
        (!missing.is_empty()).then(|| {
            format!(
                "f16 does not hold what was seen with a margin of {MARGIN}: import again with `--in-f32 {}`",
                self.in_f32.join(",")
            )
        })
    }
}

/// What a layer takes and gives.
#[derive(Debug, Serialize)]
pub(super) struct Layer {
    #[serde(flatten)]
    pub(super) site: Site,
    /// The largest absolute number; infinite where even f32 does not hold it.
    #[serde(serialize_with = "finite_or_text")]
    pub(super) largest: f32,
    /// The battle that reached it.
    pub(super) battle: String,
    /// Whether f16 cannot hold it.
    pub(super) overflows: bool,
    /// Whether f16 cannot hold twice of it.
    pub(super) needs_f32: bool,
}

/// JSON has no infinite numbers.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn finite_or_text<S: serde::Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { serializer.serialize_f32(*value) } else { serializer.serialize_str("infinite") }
}

/// The battles to look at, by their ids.
pub(super) type Rows = Vec<(String, crate::battle::Battle)>;

impl AuditArgs {
    /// Whether it was asked for.
    pub(super) fn is_asked(&self) -> bool {
        self.audit.is_some()
    }

    /// Reads the battles, where they were given: before anything is written, so that a wrong file costs nothing.
    ///
    /// # Errors
    /// As bad input when there are none.
    pub(super) fn read(&self, console: &Console) -> anyhow::Result<Option<Rows>> {
        let Some(file) = &self.audit else { return Ok(None) };
        let max_rows = usize::try_from(self.audit_rows).ok();
        let options = ReadOptions { format: None, max_rows };
        let found = battles::read(file, &options, console.progress().as_ref())?;
        if found.is_empty() {
            return Err(BadInput(format!("`{}` holds no battle to look at", file.display())).into());
        }
        Ok(Some(found.into_iter().map(|(battle, _)| (battle.id.0.clone(), battle)).collect()))
    }
}

/// Writes the graph that looks at the model beside the model folder, runs it, and removes it.
///
/// # Errors
/// When the graph cannot be written or run; a battle that the encoder refuses is bad input.
pub(super) fn run(
    (checkpoint, target): (&Path, &Path),
    options: &ImportOptions,
    (encoder, rows): (&Encoder, &Rows),
    console: &Console,
) -> anyhow::Result<Audit> {
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = tempfile::Builder::new().prefix(".tiebreak-audit-").tempdir_in(parent)?;
    let sites = write_sites(checkpoint, folder.path(), options).map_err(fault)?;
    let pool_options = PoolOptions {
        copies: 1,
        threads: console.threads(),
        pad_id: encoder.pad().or_bad_input()?.id,
        ..PoolOptions::for_threads(Device::CPU, 1)
    };
    let pool = SessionPool::open(&folder.path().join(files::GRAPH), &pool_options)?;
    let mut tally = Tally::new(sites);
    let progress = console.progress();
    let task = progress.start("looking at the largest numbers", Some(rows.len() as u64), "battles");
    for (id, battle) in rows {
        for sequence in encoder.encode(battle).or_bad_input()? {
            tally.add(id, &sequence, &largest(&pool, &sequence)?);
        }
        task.advance(1);
    }
    Ok(tally.audit())
}

/// The largest number of every site for one text.
fn largest(pool: &SessionPool, sequence: &Sequence) -> anyhow::Result<Vec<f32>> {
    let mut line = pool.line();
    line.submit(0, &[(&sequence.ids, &sequence.type_ids)])?;
    let (_, output) = line.receive().ok_or_else(|| anyhow::anyhow!("the session ended"))?;
    Ok(output?.row(0).to_vec())
}

/// The largest numbers so far.
struct Tally {
    layers: Vec<Layer>,
    sequences: usize,
    tokens: usize,
}

impl Tally {
    fn new(sites: Vec<Site>) -> Self {
        let layer =
            |site| Layer { site, largest: 0.0, battle: String::new(), overflows: false, needs_f32: false };
        Self { layers: sites.into_iter().map(layer).collect(), sequences: 0, tokens: 0 }
    }

    fn add(&mut self, battle: &str, sequence: &Sequence, largest: &[f32]) {
        self.sequences += 1;
        self.tokens += sequence.ids.len();
        for (layer, &value) in self.layers.iter_mut().zip(largest) {
            // What is no number came from numbers beyond f32.
            let value = if value.is_nan() { f32::INFINITY } else { value };
            if value > layer.largest || layer.battle.is_empty() {
                (layer.largest, layer.battle) = (value, battle.to_owned());
            }
        }
    }

    fn audit(mut self) -> Audit {
        for layer in &mut self.layers {
            layer.overflows = layer.largest > LARGEST_F16;
            layer.needs_f32 = layer.largest > LARGEST_F16 / MARGIN;
        }
        let needing = || self.layers.iter().filter(|layer| layer.needs_f32);
        let mut in_f32: Vec<String> = needing().filter_map(|layer| layer.site.in_f32.clone()).collect();
        in_f32.sort_unstable();
        in_f32.dedup();
        let beyond = needing().filter(|layer| layer.site.in_f32.is_none());
        Audit {
            sequences: self.sequences,
            tokens: self.tokens,
            largest_f16: LARGEST_F16,
            overflowing: self.layers.iter().filter(|layer| layer.overflows).count(),
            in_f32,
            beyond: beyond.map(|layer| layer.site.name.clone()).collect(),
            layers: self.layers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str, in_f32: Option<&str>) -> Site {
        Site { name: name.to_owned(), in_f32: in_f32.map(str::to_owned) }
    }

    #[test]
    fn a_layer_needs_f32_when_twice_what_was_seen_does_not_fit() {
        let sites = vec![
            site("small", Some("small")),
            site("near", Some("near")),
            site("layer 0: residual", Some("residual")),
            site("layer 1: residual", Some("residual")),
            site("query", None),
        ];
        let counts = crate::encoding::PartCounts::default();
        let sequence =
            Sequence { ids: vec![1, 2], type_ids: vec![0, 0], shown: crate::encoding::Shown::Ab, counts };
        let mut tally = Tally::new(sites);
        tally.add("first", &sequence, &[30_000.0, 40_000.0, 70_000.0, 70_000.0, f32::NAN]);
        tally.add("second", &sequence, &[31_000.0, 1.0, f32::INFINITY, 1.0, 1.0]);
        let audit = tally.audit();
        assert_eq!((audit.sequences, audit.tokens, audit.overflowing), (2, 4, 3));
        assert_eq!(audit.in_f32, ["near", "residual"]);
        assert_eq!(audit.beyond, ["query"]);
        let layer = |place: usize| (audit.layers[place].largest, audit.layers[place].battle.as_str());
        assert_eq!(layer(0), (31_000.0, "second"));
        assert_eq!(layer(1), (40_000.0, "first"));
        let json = serde_json::to_value(&audit).unwrap();
        assert_eq!(json["layers"][2]["largest"], "infinite");
        assert_eq!(json["layers"][2]["in_f32"], "residual");
    }
}
