//! Normalisations, alone and of the sums that go from layer to layer.

use super::GraphError;
use super::builder::{MICROSOFT, Value};
use super::precision::RESIDUAL;
use super::writer::Writer;
use crate::architectures::{Linear, Norm, NormKind};
use crate::checkpoint::Element;

/// Two values, each [batch, tokens, width], to be added.
pub(super) struct Sum<'a> {
    /// What is added.
    pub(super) terms: [&'a str; 2],
    /// The linear map whose product the first of them is, where its bias, `[width]`, is to be added too.
    pub(super) bias_of: Option<&'a Linear>,
    /// Whether anything but the normalisation reads the sum.
    pub(super) is_wanted: bool,
}

/// A normalisation of what is there.
pub(super) fn norm(writer: &mut Writer, norm: &Norm, x: &str) -> Result<String, GraphError> {
    let element = writer.precision.of_value(x);
    let normalised = normalised(writer, norm, (x, element))?;
    Ok(writer.narrowed(&normalised))
}

/// A sum and its normalisation.
///
/// In f32, the number type of processors, they are nodes of their own: there ONNX Runtime's fused operator goes number by
/// number, and takes six times as long as these for a layer norm and twice as long for a root mean square. In the narrow
/// types of accelerators they are one node, which reads and writes memory once.
pub(super) fn sum_norm(writer: &mut Writer, norm: &Norm, sum: &Sum) -> Result<(String, String), GraphError> {
    let element = element_of(writer, sum.terms);
    let [x, residual] = sum.terms.map(|value| writer.cast(value, element));
    let bias = sum.bias_of.map_or(Ok(String::new()), |linear| writer.bias(linear, &x))?;
    let terms = [x.as_str(), &residual, &bias];
    let (sum, normalised) = if writer.element() == Element::F32 {
        let sum = added(writer, terms, element);
        let normalised = normalised(writer, norm, (&sum, element))?;
        (sum, normalised)
    } else {
        fused(writer, norm, (terms, element, sum.is_wanted))?
    };
    if !sum.is_empty() {
        writer.watch_sum(&sum);
    }
    Ok((sum, writer.narrowed(&normalised)))
}

/// What a sum that goes from layer to layer is computed in.
fn element_of(writer: &Writer, terms: [&str; 2]) -> Element {
    match writer.precision.of_layer(RESIDUAL) {
        Element::F32 => Element::F32,
        _ => writer.precision.widest(&terms),
    }
}

fn normalised(writer: &mut Writer, norm: &Norm, (x, element): (&str, Element)) -> Result<String, GraphError> {
    let [scale, bias] = writer.norm_weights(norm, element)?;
    let attributes = [("axis", Value::Int(-1)), ("epsilon", Value::Float(norm.epsilon))];
    let (operator, inputs) = match norm.kind {
        NormKind::LayerWithoutBias => ("LayerNormalization", vec![x, &scale]),
        NormKind::Layer => ("LayerNormalization", vec![x, &scale, &bias]),
        NormKind::Root | NormKind::RootOfOffset => ("RMSNormalization", vec![x, &scale]),
    };
    Ok(writer.typed_node(element, ("", operator), &inputs, &attributes))
}

fn added(writer: &mut Writer, [x, residual, bias]: [&str; 3], element: Element) -> String {
    let mut x = x.to_owned();
    if !bias.is_empty() {
        x = writer.typed_node(element, ("", "Add"), &[&x, bias], &[]);
    }
    writer.typed_node(element, ("", "Add"), &[&x, residual], &[])
}

/// One node; the sum has a name where it is wanted.
fn fused(
    writer: &mut Writer,
    norm: &Norm,
    ([x, residual, bias], element, sum_wanted): ([&str; 3], Element, bool),
) -> Result<(String, String), GraphError> {
    let [scale, shift] = writer.norm_weights(norm, element)?;
    let (operator, mut inputs) = match norm.kind {
        NormKind::Layer => ("SkipLayerNormalization", vec![x, residual, &scale, &shift]),
        NormKind::LayerWithoutBias => ("SkipLayerNormalization", vec![x, residual, &scale, ""]),
        NormKind::Root | NormKind::RootOfOffset => {
            ("SkipSimplifiedLayerNormalization", vec![x, residual, &scale])
        }
    };
    if !bias.is_empty() {
        inputs.push(bias);
    } else if inputs.last() == Some(&"") {
        inputs.pop();
    }
    let epsilon = [("epsilon", Value::Float(norm.epsilon))];
    let outputs = [true, false, false, sum_wanted];
    let [normalised, _, _, sum] = writer.builder.node_with((MICROSOFT, operator), &inputs, &epsilon, outputs);
    writer.precision.note(&normalised, element);
    if !sum.is_empty() {
        writer.precision.note(&sum, element);
    }
    Ok((sum, normalised))
}
