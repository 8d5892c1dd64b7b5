use std::convert::Infallible;

use super::{Attention, Embedding, Linear, Norm, Operations, Parameter, Role, States, hidden_states};
use crate::checkpoint::{Activation, BaseNumbers, Checkpoint, FamilyConfig, NarrowForm};

/// Every weight that the model of this configuration uses, in the order of its use, each once.
#[must_use]
pub fn needed_weights(config: &FamilyConfig) -> Vec<Parameter> {
    let mut inventory = Inventory::default();
    let Ok(()) = hidden_states(&mut inventory, config, States::All);
    inventory.parameters
}

/// Every linear map of the bare model, in the order of its use: where adapters may be put.
#[must_use]
pub fn linear_maps(config: &FamilyConfig) -> Vec<Linear> {
    let mut inventory = Inventory::default();
    let Ok(()) = hidden_states(&mut inventory, config, States::All);
    inventory.linears
}

/// How a weight of the bare model is kept where the base has these numbers; `None` in f32.
#[must_use]
pub fn narrow_form(parameter: &Parameter, base: BaseNumbers) -> Option<NarrowForm> {
    match parameter.role {
        Role::Matrix => base.of_maps(),
        Role::Table => base.of_tables(),
        Role::Bias | Role::Norm => None,
    }
}

/// Rounds the weights of the bare model to the numbers that the checkpoint's base had in training, in front of whatever
/// adapters add: what was trained is what is written.
pub fn round_base(checkpoint: &mut Checkpoint) {
    let needed = needed_weights(&checkpoint.config).into_iter();
    let forms =
        needed.filter_map(|weight| Some((weight.name.clone(), narrow_form(&weight, checkpoint.base)?)));
    checkpoint.weights.round(forms.collect());
}

/// The interpreter that computes nothing and notes what is asked for.
#[derive(Default)]
struct Inventory {
    parameters: Vec<Parameter>,
    linears: Vec<Linear>,
}

impl Inventory {
    fn note(&mut self, parameters: impl IntoIterator<Item = Parameter>) {
        for parameter in parameters {
            if !self.parameters.contains(&parameter) {
                self.parameters.push(parameter);
            }
        }
    }
}

impl Operations for Inventory {
    type Tensor = ();
    type Error = Infallible;

    fn embed(&mut self, embedding: &Embedding) -> Result<(), Infallible> {
        let others = [&embedding.positions, &embedding.segments];
        self.note([embedding.tokens.clone()]);
        self.note(others.into_iter().flatten().cloned());
        Ok(())
    }

    fn linear(&mut self, linear: &Linear, (): &()) -> Result<(), Infallible> {
        self.note([Some(linear.weight()), linear.bias()].into_iter().flatten());
        if !self.linears.contains(linear) {
            self.linears.push(linear.clone());
        }
        Ok(())
    }

    fn norm(&mut self, norm: &Norm, (): &()) -> Result<(), Infallible> {
        self.note([Some(norm.weight()), norm.bias()].into_iter().flatten());
        Ok(())
    }

    fn attention(&mut self, attention: &Attention, (): &()) -> Result<(), Infallible> {
        for linear in [&attention.query, &attention.key, &attention.value] {
            self.linear(linear, &())?;
        }
        for norm in attention.head_norms.iter().flat_map(|norms| norms.iter()) {
            self.norm(norm, &())?;
        }
        self.note(attention.relative_bias.iter().map(|bias| bias.table.clone()));
        if let Some(disentangled) = attention.disentangled.as_deref() {
            self.note([disentangled.table.clone()]);
            disentangled.norm.iter().try_for_each(|norm| self.norm(norm, &()))?;
            let linears = [&disentangled.key, &disentangled.query].into_iter().flatten();
            linears.into_iter().try_for_each(|linear| self.linear(linear, &()))?;
        }
        Ok(())
    }

    fn activate(&mut self, _: Activation, (): &()) -> Result<(), Infallible> {
        Ok(())
    }

    fn add(&mut self, (): &(), (): &()) -> Result<(), Infallible> {
        Ok(())
    }

    fn multiply(&mut self, (): &(), (): &()) -> Result<(), Infallible> {
        Ok(())
    }

    fn last_token(&mut self, (): &()) -> Result<(), Infallible> {
        Ok(())
    }
}
