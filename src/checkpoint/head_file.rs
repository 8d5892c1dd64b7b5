use std::fs;
use std::path::Path;

use safetensors::tensor::{SafeTensors, TensorView};
use safetensors::{Dtype, serialize};
use serde::{Deserialize, Serialize};

use super::{CheckpointError, Dense, Element, Head, HeadActivation, Pooling};
use crate::files;

/// The form of a head without its numbers, as `model.json` has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadForm {
    /// How the states become one vector.
    pub pooling: Pooling,
    /// Width of a hidden state.
    pub width: usize,
    /// The function behind each layer, first to last.
    pub layers: Vec<HeadActivation>,
    /// The cap of the logits, where there is one.
    pub softcap: Option<f32>,
}

impl HeadForm {
    /// The form of a head.
    #[must_use]
    pub fn of(head: &Head) -> Self {
        let layers = head.layers.iter().map(|layer| layer.activation).collect();
        Self { pooling: head.pooling, width: head.width, layers, softcap: head.softcap }
    }
}

/// Writes the numbers of a head: `N.weight` `[outputs, inputs]` and `N.bias` `[outputs]` for each layer N, in f32.
///
/// # Errors
/// `CheckpointError` for a number that is not finite, or a file that cannot be written.
pub fn write_head(head: &Head, path: &Path) -> Result<(), CheckpointError> {
    let mut tensors = Vec::new();
    for (index, layer) in head.layers.iter().enumerate() {
        let outputs = layer.bias.len();
        tensors.push((format!("{index}.weight"), vec![outputs, layer.inputs], &layer.weight));
        tensors.push((format!("{index}.bias"), vec![outputs], &layer.bias));
    }
    let encoded = tensors
        .into_iter()
        .map(|(name, shape, values)| {
            let bytes = Element::F32.encode(values, &name)?;
            Ok((name, shape, bytes))
        })
        .collect::<Result<Vec<_>, CheckpointError>>()?;
    let damaged = |error: safetensors::SafeTensorError| damaged(path, error.to_string());
    let views = encoded
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(damaged)?;
    files::write(path, &serialize(views, None).map_err(damaged)?)?;
    Ok(())
}

/// Reads the numbers of a head of a known form.
///
/// # Errors
/// `CheckpointError` when the file cannot be read, is damaged, or has another form.
pub fn read_head(form: &HeadForm, path: &Path) -> Result<Head, CheckpointError> {
    let bytes = fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, error.to_string()))?;
    if file.len() != 2 * form.layers.len() {
        let message = format!("{} tensors for {} layers", file.len(), form.layers.len());
        return Err(damaged(path, message));
    }
    let mut inputs = form.width;
    let mut layers = Vec::new();
    for (index, &activation) in form.layers.iter().enumerate() {
        let read = |name: String| -> Result<(Vec<f32>, Vec<usize>), CheckpointError> {
            let tensor = file.tensor(&name).map_err(|error| damaged(path, error.to_string()))?;
            if tensor.dtype() != Dtype::F32 {
                return Err(damaged(path, format!("`{name}` is not f32")));
            }
            Ok((Element::F32.decode(tensor.data()), tensor.shape().to_vec()))
        };
        let (weight, shape) = read(format!("{index}.weight"))?;
        let (bias, _) = read(format!("{index}.bias"))?;
        if shape != [bias.len(), inputs] {
            let message =
                format!("`{index}.weight` has shape {shape:?}, [{}, {inputs}] expected", bias.len());
            return Err(damaged(path, message));
        }
        let outputs = bias.len();
        layers.push(Dense { inputs, weight, bias, activation });
        inputs = outputs;
    }
    Ok(Head { pooling: form.pooling, width: form.width, layers, softcap: form.softcap })
}

fn damaged(path: &Path, message: String) -> CheckpointError {
    CheckpointError::Damaged { path: path.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let dense = |inputs: usize, outputs: usize, activation| Dense {
            inputs,
            weight: (0..inputs * outputs).map(|n| n as f32).collect(),
            bias: vec![0.5; outputs],
            activation,
        };
        let layers = vec![dense(2, 4, HeadActivation::Tanh), dense(4, 3, HeadActivation::Linear)];
        Head { pooling: Pooling::First, width: 2, layers, softcap: Some(3.0) }
    }

    #[test]
    fn a_head_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.safetensors");
        write_head(&head(), &path).unwrap();
        assert_eq!(read_head(&HeadForm::of(&head()), &path).unwrap(), head());
    }

    #[test]
    fn another_form_than_the_card_says_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head.safetensors");
        write_head(&head(), &path).unwrap();
        let mut form = HeadForm::of(&head());
        form.width = 3;
        assert!(read_head(&form, &path).unwrap_err().to_string().contains("[4, 3] expected"));
        form.layers.pop();
        assert!(read_head(&form, &path).is_err());
    }

    #[test]
    fn a_head_that_is_not_finite_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut head = head();
        head.layers[0].weight[1] = f32::NAN;
        let error = write_head(&head, &folder.path().join("h.safetensors")).unwrap_err();
        assert!(error.to_string().contains("0.weight"));
    }
}
