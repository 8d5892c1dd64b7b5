use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use super::GraphError;
use super::folder::StagedFolder;
use super::precision::{RESIDUAL, check_in_f32};
use super::sites::Site;
use super::stored::RoundedWeight;
use super::writer::{GraphForm, Writer, WrittenGraph};
use crate::architectures::{States, hidden_states, needed_weights, round_base};
use crate::checkpoint::{
    Checkpoint, CheckpointError, Element, FORMAT_VERSION, Family, FamilyConfig, FileMark, GraphKind,
    HeadChoice, HeadForm, LoadedHead, LowBits, ModelCard, OutputMeaning, Pooling, Source, VerdictToken,
    files, load_head, write_head,
};

/// Where the weights of an imported model lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightStorage {
    /// All of them in a file of the model's own.
    Packed,
    /// Those whose layout and number type allow it in the checkpoint's safetensors files, which get a second name
    /// in the model folder (a hard link): nothing is copied, and whoever rewrites the checkpoint in place changes
    /// the model too, which its hashes then show.
    Linked,
}

/// How to import a checkpoint.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// What the graph computes in; it takes the weights of any stored type.
    pub element: Element,
    /// Which head to take.
    pub head: HeadChoice,
    /// The meaning of its outputs, where the caller states it.
    pub outputs: Option<Vec<OutputMeaning>>,
    /// The verdict tokens behind the head, where it is one of those; for the card.
    pub verdicts: Vec<VerdictToken>,
    /// Where the weights go.
    pub storage: WeightStorage,
    /// Whether an earlier model of that name is replaced; it stays until the new one is whole.
    pub replace: bool,
    /// The longest text that is meant, in tokens; tables of rotary positions are made for it, and for 8,192 at least.
    pub max_tokens: Option<usize>,
    /// The model that a PEFT adapter was trained on, where what is imported is one.
    pub base: Option<PathBuf>,
    /// How the matrices of its linear maps are rounded, where they are.
    pub low_bits: Option<LowBits>,
    /// What is computed in f32 where `element` is narrower: linear maps by name, and `residual`.
    pub in_f32: BTreeSet<String>,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            element: Element::F32,
            head: HeadChoice::Own,
            outputs: None,
            verdicts: Vec::new(),
            storage: WeightStorage::Packed,
            replace: false,
            max_tokens: None,
            base: None,
            low_bits: None,
            in_f32: BTreeSet::new(),
        }
    }
}

impl ImportOptions {
    /// Positions of rotary tables: of 131,072 they would be larger than a small model.
    #[must_use]
    pub fn rotary_positions(&self) -> usize {
        self.max_tokens.unwrap_or(0).max(8192)
    }
}

/// What an import did.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportReport {
    /// What the folder holds.
    pub card: ModelCard,
    /// Nodes of the graph.
    pub nodes: usize,
    /// How far each matrix moved that was rounded, in the order of its use.
    pub rounded: Vec<RoundedWeight>,
    /// What somebody should know before relying on it.
    pub warnings: Vec<String>,
}

/// Turns a directory in the form of Hugging Face into a model folder: graph, weights, head, tokenizer, card.
/// The folder appears whole or not at all.
///
/// # Errors
/// `GraphError` for a checkpoint that cannot be used, a target that is there already, or a file that cannot be
/// written.
pub fn import(
    checkpoint_folder: &Path,
    target: &Path,
    options: &ImportOptions,
) -> Result<ImportReport, GraphError> {
    import_with(checkpoint_folder, target, options, &|_, _| Ok(()))
}

/// Adds files to a model folder before its files are hashed; given the folder, and the card without hashes.
pub type Addition<'a> = dyn Fn(&Path, &ModelCard) -> Result<(), Box<dyn Error + Send + Sync>> + 'a;

/// As [`import`]; what `add` puts into the folder, such as `encoder.json`, is part of the model.
///
/// # Errors
/// As [`import`], and `Addition` with what `add` says.
pub fn import_with(
    checkpoint_folder: &Path,
    target: &Path,
    options: &ImportOptions,
    add: &Addition<'_>,
) -> Result<ImportReport, GraphError> {
    let folder = StagedFolder::create(target, options.replace)?;
    let checkpoint = open(checkpoint_folder, options)?;
    let head = load_head(&checkpoint, &options.head, options.outputs.as_deref())?;
    fill(folder, (&checkpoint, &head), options, add)
}

/// Opens a checkpoint, or an adapter on its base, in which everything is there that its family needs.
fn open(checkpoint_folder: &Path, options: &ImportOptions) -> Result<Checkpoint, GraphError> {
    let mut checkpoint = match &options.base {
        Some(base) => Checkpoint::open_adapter(checkpoint_folder, base)?,
        None => Checkpoint::open(checkpoint_folder)?,
    };
    checkpoint.config.limit_positions(options.rotary_positions());
    let needed: Vec<(String, Vec<usize>)> = needed_weights(&checkpoint.config)
        .into_iter()
        .map(|parameter| (parameter.name, parameter.shape))
        .collect();
    checkpoint.weights.check(&needed)?;
    round_base(&mut checkpoint);
    Ok(checkpoint)
}

/// Writes a graph into a folder that gives no hidden states, but the largest absolute number of every site, [1, sites], of
/// batches of one text; it computes in f32 with the weights that are stored. Gives the sites in their order.
///
/// # Errors
/// `GraphError` for a checkpoint that cannot be used, or a file that cannot be written.
pub fn write_sites(
    checkpoint_folder: &Path,
    folder: &Path,
    options: &ImportOptions,
) -> Result<Vec<Site>, GraphError> {
    let checkpoint = open(checkpoint_folder, options)?;
    let config = &checkpoint.config;
    let (is_decoder, segments) = (config.family().is_decoder(), config.has_segments());
    let form = GraphForm { is_decoder, segments, ..GraphForm::default() };
    let mut writer = Writer::create(&checkpoint.weights, folder, form)?;
    writer.watch();
    hidden_states(&mut writer, config, States::All)?;
    let (graph, sites) = writer.finish_sites()?;
    crate::files::write(&folder.join(files::GRAPH), &graph.bytes)?;
    Ok(sites)
}

/// Writes a model folder of a checkpoint that is open already, and whose weights training may have replaced, with this
/// head and what `add` adds. The folder appears whole or not at all.
///
/// # Errors
/// `GraphError` for a target that is there already, or a file that cannot be written.
pub fn write_model(
    model: (&Checkpoint, &LoadedHead),
    target: &Path,
    options: &ImportOptions,
    add: &Addition<'_>,
) -> Result<ImportReport, GraphError> {
    fill(StagedFolder::create(target, options.replace)?, model, options, add)
}

fn fill(
    folder: StagedFolder,
    (checkpoint, head): (&Checkpoint, &LoadedHead),
    options: &ImportOptions,
    add: &Addition<'_>,
) -> Result<ImportReport, GraphError> {
    let kind = graph_kind(&checkpoint.config, head.head.pooling);
    check_in_f32(&checkpoint.config, options.element, &options.in_f32)?;

    let graph = write_graph(checkpoint, folder.path(), options, kind)?;
    let left_out = checkpoint.weights.unused()?;
    link(&graph.in_place, folder.path())?;
    crate::files::write(&folder.path().join(files::GRAPH), &graph.bytes)?;
    write_head(&head.head, &folder.path().join(files::HEAD))?;
    copy_tokenizer(&checkpoint.tokenizer_folder, folder.path())?;

    let mut card = card(checkpoint, head, options, kind);
    card.source.left_out = left_out;
    add(folder.path(), &card).map_err(GraphError::Addition)?;
    card.files = marks(folder.path())?;
    card.write(folder.path())?;
    folder.commit()?;
    let warnings = warnings(checkpoint, options);
    Ok(ImportReport { card, nodes: graph.nodes, rounded: graph.rounded, warnings })
}

fn write_graph(
    checkpoint: &Checkpoint,
    folder: &Path,
    options: &ImportOptions,
    kind: GraphKind,
) -> Result<WrittenGraph, GraphError> {
    let config = &checkpoint.config;
    let form = GraphForm {
        is_decoder: config.family().is_decoder(),
        segments: config.has_segments(),
        element: options.element,
        storage: options.storage,
        low_bits: options.low_bits,
        in_f32: options.in_f32.clone(),
    };
    let states = if kind == GraphKind::Decoder { States::Last } else { States::All };
    let mut writer = Writer::create(&checkpoint.weights, folder, form)?;
    let hidden = hidden_states(&mut writer, config, states)?;
    writer.finish(&hidden, config.width(), states)
}

fn graph_kind(config: &FamilyConfig, pooling: Pooling) -> GraphKind {
    match (config.family().is_decoder(), pooling) {
        (false, _) => GraphKind::Encoder,
        (true, Pooling::Last) => GraphKind::Decoder,
        (true, Pooling::First | Pooling::Mean) => GraphKind::DecoderStates,
    }
}

fn card(checkpoint: &Checkpoint, head: &LoadedHead, options: &ImportOptions, graph: GraphKind) -> ModelCard {
    let config = &checkpoint.config;
    ModelCard {
        format_version: FORMAT_VERSION,
        family: Some(config.family()),
        graph,
        element: options.element,
        low_bits: options.low_bits,
        in_f32: options.in_f32.iter().cloned().collect(),
        width: config.width(),
        vocabulary_size: config.vocabulary_size(),
        max_positions: config.max_positions(),
        token_types: config.has_segments(),
        head: Some(HeadForm::of(&head.head)),
        outputs: head.outputs.clone(),
        verdicts: options.verdicts.clone(),
        source: Source {
            architectures: checkpoint.architectures(),
            stored_as: Some(checkpoint.weights.main_element()),
            fresh_head: matches!(options.head, HeadChoice::Fresh { .. }),
            left_out: Vec::new(),
        },
        files: BTreeMap::new(),
    }
}

/// Gives the checkpoint's files their second name.
fn link(used_in_place: &BTreeSet<PathBuf>, folder: &Path) -> Result<(), GraphError> {
    for path in used_in_place {
        let name = path.file_name().unwrap_or_default();
        // A symbolic link would be followed to another folder, which ONNX Runtime refuses for external data.
        let real =
            fs::canonicalize(path).map_err(|source| CheckpointError::Read { path: path.clone(), source })?;
        fs::hard_link(&real, folder.join(name))
            .map_err(|source| GraphError::Link { path: path.clone(), source })?;
    }
    Ok(())
}

/// Copies what `encoding` reads; of the two files only the first must be there, and that was checked.
pub(super) fn copy_tokenizer(from: &Path, folder: &Path) -> Result<(), GraphError> {
    for name in [files::TOKENIZER, files::TOKENIZER_CONFIG, "chat_template.jinja"] {
        let path = from.join(name);
        if path.is_file() {
            let bytes = fs::read(&path).map_err(|source| CheckpointError::Read { path, source })?;
            crate::files::write(&folder.join(name), &bytes)?;
        }
    }
    Ok(())
}

/// Length and hash of every file of the folder.
pub(super) fn marks(folder: &Path) -> Result<BTreeMap<String, FileMark>, GraphError> {
    let failed = |source| GraphError::Folder { path: folder.to_owned(), source };
    let mut marks = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        marks.insert(name, FileMark::of(&entry.path())?);
    }
    Ok(marks)
}

fn warnings(checkpoint: &Checkpoint, options: &ImportOptions) -> Vec<String> {
    let mut warnings = Vec::new();
    if matches!(options.head, HeadChoice::Fresh { .. }) {
        warnings.push("the head is fresh: its predictions mean nothing until it is trained".to_owned());
    }
    let (reads, stated) = (checkpoint.config.max_positions(), &checkpoint.json["max_position_embeddings"]);
    let family = checkpoint.config.family();
    if family.is_decoder() && stated.as_u64().is_some_and(|stated| stated > reads as u64) {
        warnings.push(format!(
            "the tables of rotary positions are made for {reads} tokens of the model's {stated}; `--max-tokens` makes them longer"
        ));
    }
    let narrow = options.element == Element::F16 && !options.in_f32.contains(RESIDUAL);
    if matches!(family, Family::Gemma2 | Family::Gemma3) && narrow {
        let name = family.name();
        warnings.push(format!(
            "hidden states of {name} outgrow f16 on long texts; bf16 or f32 hold them, or `--in-f32 {RESIDUAL}`"
        ));
    }
    if options.element == Element::Bf16 {
        warnings.push("ONNX Runtime computes bf16 graphs on CUDA only".to_owned());
    }
    warnings
}
