//! Where the numbers of a model are looked at, to see whether a narrower type would hold them.

use serde::Serialize;

use super::builder::{Builder, Value, dimension};
use super::precision::{RESIDUAL, can_be_in_f32};
use super::writer::Writer;
use crate::architectures::Linear;

/// A place in a model whose largest number is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    /// The linear map, by its name in the checkpoint, or `layer N: residual`, the sums of a layer, or `embedding`.
    pub name: String,
    /// What to ask for in f32 where its numbers outgrow f16; nothing where a fused operator computes there.
    pub in_f32: Option<String>,
}

/// The sites of a graph that is looked at, each with its values.
#[derive(Debug, Default)]
pub(super) struct Sites {
    found: Vec<(Site, Vec<String>)>,
    layers_begun: usize,
}

impl Sites {
    /// A layer begins.
    pub(super) fn layer_begins(&mut self) {
        self.layers_begun += 1;
    }

    fn add(&mut self, site: Site, values: &[&str]) {
        let values = values.iter().map(|&value| value.to_owned());
        match self.found.iter_mut().find(|(known, _)| *known == site) {
            Some((_, known)) => known.extend(values),
            None => self.found.push((site, values.collect())),
        }
    }

    /// One output [1, sites], the largest absolute number of each site for a batch of one text; and the sites in this order.
    pub(super) fn largest(self, builder: &mut Builder) -> (String, Vec<Site>) {
        let axis = builder.integers(&[0]);
        let mut columns = Vec::new();
        let mut sites = Vec::new();
        for (site, values) in self.found {
            let largest: Vec<String> = values.iter().map(|value| largest(builder, value)).collect();
            let largest: Vec<&str> = largest.iter().map(String::as_str).collect();
            let one = builder.node(("", "Max"), &largest, &[]);
            columns.push(builder.node(("", "Unsqueeze"), &[&one, &axis], &[]));
            sites.push(site);
        }
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let row = builder.node(("", "Concat"), &columns, &[("axis", Value::Int(0))]);
        (builder.node(("", "Unsqueeze"), &[&row, &axis], &[]), sites)
    }
}

/// The largest absolute number of a value of any shape.
fn largest(builder: &mut Builder, value: &str) -> String {
    let absolute = builder.node(("", "Abs"), &[value], &[]);
    builder.node(("", "ReduceMax"), &[&absolute], &[("keepdims", Value::Int(dimension(0)))])
}

impl Writer<'_> {
    /// Looks at what a linear map takes and gives.
    pub(super) fn watch_linear(&mut self, linear: &Linear, values: &[&str]) {
        let Some(sites) = &mut self.sites else { return };
        let in_f32 = can_be_in_f32(linear.slot).then(|| linear.name.clone());
        sites.add(Site { name: linear.name.clone(), in_f32 }, values);
    }

    /// Looks at a sum that goes from layer to layer, or at the embedding that it begins with.
    pub(super) fn watch_sum(&mut self, value: &str) {
        let Some(sites) = &mut self.sites else { return };
        let site = match sites.layers_begun {
            0 => Site { name: "embedding".to_owned(), in_f32: None },
            begun => {
                let name = format!("layer {}: {RESIDUAL}", begun - 1);
                Site { name, in_f32: Some(RESIDUAL.to_owned()) }
            }
        };
        sites.add(site, &[value]);
    }

    /// Whether this graph is written to look at its numbers.
    pub(super) fn is_watching(&self) -> bool {
        self.sites.is_some()
    }
}
