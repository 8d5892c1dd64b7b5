use serde_json::Value;

use super::{Checkpoint, CheckpointError, Dense, Family, FamilyConfig, Head, HeadActivation, Pooling};

/// The beginnings of the names of a family's classification head.
pub(super) fn head_names(family: Family) -> &'static [&'static str] {
    match family {
        Family::Bert | Family::Roberta => &["classifier."],
        Family::DebertaV2 => &["classifier.", "pooler."],
        Family::ModernBert => &["classifier.", "head."],
        _ => &["score."],
    }
}

/// The modules of a family's classification head in a whole model, one for each layer of ours; `None` where its layers
/// are not those of the files.
#[must_use]
pub fn head_modules(family: Family) -> Option<&'static [&'static str]> {
    match family {
        Family::Bert => Some(&["bert.pooler.dense", "classifier"]),
        Family::Roberta => Some(&["classifier.dense", "classifier.out_proj"]),
        Family::DebertaV2 => Some(&["pooler.dense", "classifier"]),
        Family::ModernBert => None,
        _ => Some(&["score"]),
    }
}

/// The beginning of the name of the layer that gives the logits.
fn last_layer(family: Family) -> &'static str {
    match family {
        Family::Roberta => "classifier.out_proj.",
        Family::Bert | Family::DebertaV2 | Family::ModernBert => "classifier.",
        _ => "score.",
    }
}

/// The classification head of the checkpoint.
pub(super) fn own(checkpoint: &Checkpoint) -> Result<Head, CheckpointError> {
    let config = &checkpoint.config;
    let last = last_layer(config.family());
    let width = config.width();
    let Some(&[outputs, _]) = checkpoint.weights.shape(&format!("{last}weight")) else {
        let found = match checkpoint.architectures().as_slice() {
            [] => "config.json names no architecture".to_owned(),
            names => format!("config.json says `{}`", names.join("`, `")),
        };
        return Err(CheckpointError::NoHead { folder: checkpoint.folder.clone(), found });
    };
    let first = |name: &str, activation| dense(checkpoint, name, [width, width], (activation, true));
    let is_decoder = config.family().is_decoder();
    let mut linear = dense(checkpoint, last, [outputs, width], (HeadActivation::Linear, !is_decoder))?;
    let mut pooling = Pooling::First;
    let layers = match config {
        FamilyConfig::Bert(_) => vec![first("pooler.dense.", HeadActivation::Tanh)?, linear],
        FamilyConfig::Roberta(_) => vec![first("classifier.dense.", HeadActivation::Tanh)?, linear],
        FamilyConfig::DebertaV2(_) => vec![first("pooler.dense.", HeadActivation::Gelu)?, linear],
        FamilyConfig::ModernBert(modern) => {
            if checkpoint.json.get("classifier_pooling").and_then(Value::as_str) == Some("mean") {
                pooling = Pooling::Mean;
            }
            absorb_norm(checkpoint, &mut linear, modern.file.norm_bias)?;
            let activation = HeadActivation::GeluStandardised { epsilon: modern.file.norm_eps };
            let shape = [width, width];
            let dense = dense(checkpoint, "head.dense.", shape, (activation, modern.file.classifier_bias))?;
            vec![dense, linear]
        }
        FamilyConfig::Llama(_) | FamilyConfig::Gemma2(_) | FamilyConfig::Gemma3(_) => {
            pooling = Pooling::Last;
            vec![linear]
        }
    };
    Ok(Head { pooling, width, layers, softcap: None })
}

/// A layer by the beginning of its names; where its family needs no bias it may be left out.
fn dense(
    checkpoint: &Checkpoint,
    name: &str,
    shape: [usize; 2],
    (activation, needs_bias): (HeadActivation, bool),
) -> Result<Dense, CheckpointError> {
    let (weights, [outputs, inputs]) = (&checkpoint.weights, shape);
    let weight = weights.get(&format!("{name}weight"), &shape)?.values();
    let bias_name = format!("{name}bias");
    let has_bias = needs_bias || weights.contains(&bias_name);
    let bias = if has_bias { weights.get(&bias_name, &[outputs])?.values() } else { vec![0.0; outputs] };
    Ok(Dense { inputs, weight, bias, activation })
}

/// Makes weight and bias of the normalisation in front of a layer part of the layer:
/// `W (n w + b) + c = (W w) n + (W b + c)`.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn absorb_norm(checkpoint: &Checkpoint, layer: &mut Dense, norm_bias: bool) -> Result<(), CheckpointError> {
    let width = layer.inputs;
    let scale = checkpoint.weights.get("head.norm.weight", &[width])?.values();
    let shift =
        if norm_bias { Some(checkpoint.weights.get("head.norm.bias", &[width])?.values()) } else { None };
    for (row, bias) in layer.weight.chunks_exact_mut(width.max(1)).zip(&mut layer.bias) {
        if let Some(shift) = &shift {
            let added: f64 = row.iter().zip(shift).map(|(&w, &b)| f64::from(w) * f64::from(b)).sum();
            *bias = (f64::from(*bias) + added) as f32;
        }
        for (weight, &scale) in row.iter_mut().zip(&scale) {
            *weight = (f64::from(*weight) * f64::from(scale)) as f32;
        }
    }
    Ok(())
}
