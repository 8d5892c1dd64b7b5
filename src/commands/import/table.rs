//! What an import did, for reading.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};

use super::Imported;
use super::audit::Audit;
use crate::checkpoint::{GraphKind, HeadActivation, HeadForm, LowBits, ModelCard, Pooling};
use crate::encoding::Orders;

/// A table of two columns, and a line that says what comes next.
pub(super) fn text(imported: &Imported) -> String {
    let card = &imported.card;
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(110);
    let mut row = |name: &str, value: String| {
        table.add_row([name, &value]);
    };
    row("family", card.family.map_or("made elsewhere", |family| family.name()).to_owned());
    row("graph", format!("{}, {} nodes", graph(card), imported.nodes));
    row("number type", number_type(card));
    if let Some(form) = card.low_bits {
        row("weights", weights(form, imported));
    }
    if let Some(cost) = &imported.log_loss_cost {
        let name = imported.model.display();
        row(
            "log-loss cost",
            format!(
                "{cost}; `tiebreak verify --model {name} --like MODEL FILE` compares with an import without `--weights`"
            ),
        );
    }
    if let Some(audit) = &imported.audit {
        row("audit for f16", audit_text(audit));
    }
    row("head", card.head.as_ref().map_or_else(|| "inside the graph".to_owned(), |form| head(form, card)));
    row("outputs", card.label_order().join(", "));
    row(
        "reads",
        format!(
            "{} token ids, at most {} tokens{}",
            card.vocabulary_size,
            card.max_positions,
            if card.token_types { ", two segments" } else { "" }
        ),
    );
    row("encoder", encoder(imported));
    if !card.source.left_out.is_empty() {
        row("left out", format!("no prediction needs {}", card.source.left_out.join(", ")));
    }
    row("files", files(imported));
    for warning in &imported.warnings {
        row("warning", warning.clone());
    }
    let name = imported.model.display();
    format!("{name}\n{table}\nnext: tiebreak encode --model {name} FILE")
}

fn graph(card: &ModelCard) -> &'static str {
    match (card.graph, card.family) {
        (GraphKind::Encoder, _) => "hidden states of every token",
        (GraphKind::Decoder, Some(_)) => "the state of the last token",
        (GraphKind::Decoder, None) => "one vector a text",
        (GraphKind::DecoderStates, _) => "hidden states of every token, causal",
        (GraphKind::Logits, _) => "logits",
    }
}

fn number_type(card: &ModelCard) -> String {
    let wide = match card.in_f32[..] {
        [] => String::new(),
        _ => format!(", in f32: {}", card.in_f32.join(", ")),
    };
    match card.source.stored_as {
        Some(stored) if stored != card.element => {
            format!("{}{wide}, stored as {}", card.element.name(), stored.name())
        }
        _ => format!("{}{wide}", card.element.name()),
    }
}

/// How many of the worst matrices, or the largest numbers, a table names.
const NAMED: usize = 5;

/// The form of the weights and how far they moved, the worst matrices by name.
fn weights(form: LowBits, imported: &Imported) -> String {
    let mut worst: Vec<_> = imported.rounded.iter().collect();
    worst.sort_by(|a, b| b.relative_error.total_cmp(&a.relative_error));
    let numbers: usize = worst.iter().map(|weight| weight.numbers).sum();
    let squares: f64 = worst.iter().map(|weight| weight.relative_error.powi(2) * weight.numbers as f64).sum();
    let named = worst.iter().take(NAMED);
    let named = named.map(|weight| format!("{} {:.2} %", weight.name, 100.0 * weight.relative_error));
    format!(
        "{} in blocks of {} with scale and zero point: {} matrices, moved by {:.2} % of their size; most: {}",
        form.weights.name(),
        form.block_size,
        worst.len(),
        100.0 * (squares / numbers.max(1) as f64).sqrt(),
        named.collect::<Vec<_>>().join(", ")
    )
}

/// The largest numbers, and what to do where they are too large.
fn audit_text(audit: &Audit) -> String {
    let mut largest: Vec<_> = audit.layers.iter().collect();
    largest.sort_by(|a, b| b.largest.total_cmp(&a.largest));
    let named = largest.iter().take(NAMED);
    let named =
        named.map(|layer| format!("{} {:.0} (battle `{}`)", layer.site.name, layer.largest, layer.battle));
    let verdict = if let Some(first) = audit.beyond.first() {
        format!("f16 does not hold {} layers of attention (`{first}` first)", audit.beyond.len())
    } else if audit.in_f32.is_empty() {
        "f16 holds twice what was seen".to_owned()
    } else {
        format!("f16 holds it with `--in-f32 {}`", audit.in_f32.join(","))
    };
    format!(
        "{} sequences of {} tokens, {} of {} layers beyond {}: {verdict}; largest: {}",
        audit.sequences,
        audit.tokens,
        audit.overflowing,
        audit.layers.len(),
        audit.largest_f16,
        named.collect::<Vec<_>>().join(", ")
    )
}

fn head(form: &HeadForm, card: &ModelCard) -> String {
    let pooling = match form.pooling {
        Pooling::Mean => "mean of the states",
        Pooling::First => "first state",
        Pooling::Last => "last state",
    };
    let layers: Vec<&str> = form
        .layers
        .iter()
        .map(|layer| match layer {
            HeadActivation::Linear => "linear",
            HeadActivation::Tanh => "tanh",
            HeadActivation::Gelu => "gelu",
            HeadActivation::GeluStandardised { .. } => "gelu and norm",
        })
        .collect();
    let fresh = if card.source.fresh_head { ", fresh" } else { "" };
    let cap = form.softcap.map(|cap| format!(", capped at {cap}")).unwrap_or_default();
    format!("{pooling} of width {}, {}{cap}{fresh}", form.width, layers.join(" and "))
}

fn encoder(imported: &Imported) -> String {
    let stored = &imported.encoder;
    let orders = match (stored.recipe.template.is_single(), stored.budget.orders) {
        (true, _) => "each response alone",
        (false, Orders::Ab) => "A first",
        (false, Orders::Ba) => "B first",
        (false, Orders::Both) => "both orders",
    };
    format!(
        "{} ({}), at most {} tokens, {orders}, pads with `{}` ({})",
        stored.recipe.template.name(),
        imported.encoder_choice,
        stored.budget.max_tokens,
        imported.pad.token,
        imported.pad.id
    )
}

fn files(imported: &Imported) -> String {
    let sizes = imported.card.files.iter().map(|(name, mark)| format!("{name} {}", size(mark.bytes)));
    format!("{} in all: {}", size(imported.bytes), sizes.collect::<Vec<_>>().join(", "))
}

fn size(bytes: u64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let number = bytes as f64;
    match UNITS.into_iter().find(|(unit, _)| number >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", number / unit),
        None => format!("{bytes} B"),
    }
}
