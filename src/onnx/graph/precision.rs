//! Which values of a graph in a narrow type are in f32: those of the layers that were asked for, and what follows from
//! them until a normalisation or a linear map brings the numbers back into the range of the narrow type.

use std::collections::BTreeSet;

use super::GraphError;
use super::builder::{Value, data_type};
use super::writer::Writer;
use crate::architectures::{AdapterSlot, linear_maps};
use crate::checkpoint::{Element, FamilyConfig};

/// The name under which the sums that go from layer to layer are asked for.
pub(super) const RESIDUAL: &str = "residual";

/// The number types of a graph.
pub(super) struct Precision {
    /// What it computes in.
    element: Element,
    /// What is asked for in f32.
    in_f32: BTreeSet<String>,
    /// Values that are in f32 though the graph is not.
    wide: BTreeSet<String>,
}

impl Precision {
    /// Nothing is in f32 yet.
    pub(super) fn new(element: Element, in_f32: BTreeSet<String>) -> Self {
        Self { element, in_f32, wide: BTreeSet::new() }
    }

    /// The number type of the graph.
    pub(super) fn element(&self) -> Element {
        self.element
    }

    /// What a layer computes in.
    pub(super) fn of_layer(&self, name: &str) -> Element {
        if self.in_f32.contains(name) { Element::F32 } else { self.element }
    }

    /// The number type of a value.
    pub(super) fn of_value(&self, value: &str) -> Element {
        if self.wide.contains(value) { Element::F32 } else { self.element }
    }

    /// The widest type of some values.
    pub(super) fn widest(&self, values: &[&str]) -> Element {
        if values.iter().any(|value| self.wide.contains(*value)) { Element::F32 } else { self.element }
    }

    /// Notes that a value is of this type.
    pub(super) fn note(&mut self, value: &str, element: Element) {
        if element != self.element {
            self.wide.insert(value.to_owned());
        }
    }
}

impl Writer<'_> {
    /// A value in a number type.
    pub(super) fn cast(&mut self, value: &str, element: Element) -> String {
        if self.precision.of_value(value) == element {
            return value.to_owned();
        }
        let what = format!("{value} as {}", element.name());
        if let Some(cast) = self.shared.get(&what) {
            return cast.clone();
        }
        let to = [("to", Value::Int(data_type(element).into()))];
        let cast = self.builder.node(("", "Cast"), &[value], &to);
        self.precision.note(&cast, element);
        self.shared.insert(what, cast.clone());
        cast
    }

    /// A value in the number type of the graph.
    pub(super) fn narrowed(&mut self, value: &str) -> String {
        self.cast(value, self.precision.element())
    }

    /// A node of number type `element` with one output.
    pub(super) fn typed_node(
        &mut self,
        element: Element,
        operator: (&str, &str),
        inputs: &[&str],
        attributes: &[(&str, Value)],
    ) -> String {
        let output = self.builder.node(operator, inputs, attributes);
        self.precision.note(&output, element);
        output
    }
}

/// Whether everything that is asked for in f32 is there and can be.
///
/// # Errors
/// `GraphError::InF32` names the first that cannot.
pub(super) fn check_in_f32(
    config: &FamilyConfig,
    element: Element,
    in_f32: &BTreeSet<String>,
) -> Result<(), GraphError> {
    let Some(first) = in_f32.first() else { return Ok(()) };
    let refused = |name: &String, message: String| Err(GraphError::InF32 { name: name.clone(), message });
    if element == Element::F32 {
        return refused(first, "the whole graph computes in f32".to_owned());
    }
    let maps = linear_maps(config);
    for name in in_f32.iter().filter(|name| *name != RESIDUAL) {
        match maps.iter().find(|linear| linear.name == *name) {
            Some(linear) if can_be_in_f32(linear.slot) => {}
            Some(_) => {
                let message = "what it gives goes into attention, which is one operator in the number type of the \
                               graph; bf16 or f32 hold the model";
                return refused(name, message.to_owned());
            }
            None => {
                let known = maps.iter().find(|linear| can_be_in_f32(linear.slot));
                let known = known.map_or_else(String::new, |linear| format!("`{}`, ", linear.name));
                return refused(
                    name,
                    format!("the model has no such layer; it has {known}... and `{RESIDUAL}`"),
                );
            }
        }
    }
    Ok(())
}

/// Projections to queries, keys and values are read by fused operators, whose inputs have one type.
pub(super) fn can_be_in_f32(slot: AdapterSlot) -> bool {
    !matches!(slot, AdapterSlot::Query | AdapterSlot::Key | AdapterSlot::Value)
}
