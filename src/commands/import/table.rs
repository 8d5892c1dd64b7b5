//! What an import did, for reading.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};

use super::Imported;
use crate::checkpoint::{GraphKind, HeadActivation, HeadForm, ModelCard, Pooling};
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
    match card.source.stored_as {
        Some(stored) if stored != card.element => {
            format!("{}, stored as {}", card.element.name(), stored.name())
        }
        _ => card.element.name().to_owned(),
    }
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
