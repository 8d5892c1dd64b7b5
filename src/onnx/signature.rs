use serde::{Deserialize, Serialize};

/// What a model input is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputRole {
    /// Token ids, `[batch, sequence]`, the padding id at the end of short rows.
    Ids,
    /// 1 at a token, 0 at padding, `[batch, sequence]`.
    AttentionMask,
    /// Which part a token belongs to, `[batch, sequence]`.
    TypeIds,
    /// 0, 1, 2, .. in every row, `[batch, sequence]`.
    Positions,
    /// Length of each row minus 1, `[batch]` (`GroupQueryAttention`).
    LastPosition,
    /// Length of the longest row, one value (`GroupQueryAttention`).
    TotalLength,
}

/// The inputs that can be filled, by the names that exporters give them.
const KNOWN_INPUTS: [(&str, InputRole, usize); 6] = [
    ("input_ids", InputRole::Ids, 2),
    ("attention_mask", InputRole::AttentionMask, 2),
    ("token_type_ids", InputRole::TypeIds, 2),
    ("position_ids", InputRole::Positions, 2),
    ("seqlens_k", InputRole::LastPosition, 1),
    ("total_sequence_length", InputRole::TotalLength, 0),
];

/// Outputs in the order in which they are preferred when no name is given.
const KNOWN_OUTPUTS: [&str; 4] = ["logits", "hidden", "last_hidden_state", "sentence_embedding"];

/// Element types that occur at the ends of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// 32-bit integers.
    I32,
    /// 64-bit integers.
    I64,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
    /// Single precision.
    F32,
    /// Anything else.
    Other,
}

/// One end of a graph as the model declares it; a dimension that is not fixed is -1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) element: Element,
    pub(super) shape: Vec<i64>,
}

/// An input and what it is filled with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInput {
    /// Its name in the graph.
    pub name: String,
    /// What it is filled with.
    pub role: InputRole,
    /// `I32` or `I64`.
    pub element: Element,
}

/// What a model asks for and gives, asked of the model itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Every input, in the order of the graph.
    pub inputs: Vec<ModelInput>,
    /// The output that is read.
    pub output: String,
    /// Its element type; values are converted to single precision.
    pub element: Element,
    /// The only number of rows that the graph takes, if it takes only one.
    pub fixed_batch: Option<usize>,
    /// The only number of tokens that the graph takes, if it takes only one.
    pub fixed_sequence: Option<usize>,
}

impl Signature {
    /// Reads the declared ends; `output` names the output to read, else the best known one is.
    ///
    /// # Errors
    /// A message that names the input or output that does not fit.
    pub(super) fn of(
        inputs: &[Declared],
        outputs: &[Declared],
        output: Option<&str>,
    ) -> Result<Self, String> {
        let mut signature = Self {
            inputs: Vec::with_capacity(inputs.len()),
            output: String::new(),
            element: Element::F32,
            fixed_batch: None,
            fixed_sequence: None,
        };
        for declared in inputs {
            signature.add_input(declared)?;
        }
        if !signature.inputs.iter().any(|input| input.role == InputRole::Ids) {
            return Err(format!("it has no input `input_ids`, only {}", names(inputs)));
        }
        let chosen = choose_output(outputs, output)?;
        if !matches!(chosen.element, Element::F32 | Element::F16 | Element::Bf16) {
            return Err(format!("the output `{}` holds no floating-point numbers", chosen.name));
        }
        signature.output.clone_from(&chosen.name);
        signature.element = chosen.element;
        Ok(signature)
    }

    fn add_input(&mut self, declared: &Declared) -> Result<(), String> {
        let name = &declared.name;
        let known = KNOWN_INPUTS.iter().find(|(known, ..)| known == name);
        let Some((_, role, rank)) = known else {
            let fillable = KNOWN_INPUTS.map(|(known, ..)| format!("`{known}`")).join(", ");
            let cache = if name.starts_with("past") { " (export it without a key-value cache)" } else { "" };
            return Err(format!(
                "nothing is known to fill its input `{name}` with{cache}; known are {fillable}"
            ));
        };
        if !matches!(declared.element, Element::I32 | Element::I64) {
            return Err(format!("its input `{name}` does not take 32-bit or 64-bit integers"));
        }
        let one_value = *role == InputRole::TotalLength && declared.shape == [1];
        if declared.shape.len() != *rank && !one_value {
            return Err(format!(
                "its input `{name}` has the shape {:?} instead of {rank} axes",
                declared.shape
            ));
        }
        if *rank > 0 {
            fix(&mut self.fixed_batch, declared.shape[0], name)?;
        }
        if *rank > 1 {
            fix(&mut self.fixed_sequence, declared.shape[1], name)?;
        }
        self.inputs.push(ModelInput { name: name.clone(), role: *role, element: declared.element });
        Ok(())
    }
}

/// Keeps a dimension that cannot vary.
fn fix(kept: &mut Option<usize>, dimension: i64, name: &str) -> Result<(), String> {
    let Ok(size) = usize::try_from(dimension) else { return Ok(()) };
    match *kept {
        Some(other) if other != size => {
            Err(format!("its input `{name}` is fixed to {size} where another is fixed to {other}"))
        }
        _ => {
            *kept = Some(size);
            Ok(())
        }
    }
}

fn choose_output<'a>(outputs: &'a [Declared], wanted: Option<&str>) -> Result<&'a Declared, String> {
    let named = |name: &str| outputs.iter().find(|output| output.name == name);
    if let Some(name) = wanted {
        return named(name).ok_or_else(|| format!("it has no output `{name}`, only {}", names(outputs)));
    }
    if let Some(known) = KNOWN_OUTPUTS.iter().find_map(|name| named(name)) {
        return Ok(known);
    }
    match outputs {
        [only] => Ok(only),
        _ => Err(format!("it has the outputs {}: name the one to read", names(outputs))),
    }
}

fn names(ends: &[Declared]) -> String {
    ends.iter().map(|end| format!("`{}`", end.name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(name: &str, element: Element, shape: &[i64]) -> Declared {
        Declared { name: name.to_owned(), element, shape: shape.to_vec() }
    }

    fn outputs() -> Vec<Declared> {
        vec![
            end("last_hidden_state", Element::F32, &[-1, -1, 8]),
            end("pooler_output", Element::F32, &[-1, 8]),
        ]
    }

    #[test]
    fn inputs_are_taken_as_the_model_names_and_types_them() {
        let inputs =
            [end("attention_mask", Element::I64, &[-1, -1]), end("input_ids", Element::I32, &[-1, -1])];
        let signature = Signature::of(&inputs, &outputs(), None).unwrap();
        assert_eq!(signature.inputs[0].element, Element::I64);
        assert_eq!(signature.inputs[1].role, InputRole::Ids);
        assert_eq!(signature.output, "last_hidden_state");
        assert_eq!((signature.fixed_batch, signature.fixed_sequence), (None, None));
    }

    #[test]
    fn fixed_sizes_are_kept_and_must_agree() {
        let inputs = [end("input_ids", Element::I64, &[1, 128])];
        let signature = Signature::of(&inputs, &outputs(), Some("pooler_output")).unwrap();
        assert_eq!((signature.fixed_batch, signature.fixed_sequence), (Some(1), Some(128)));
        let inputs =
            [end("input_ids", Element::I64, &[-1, 128]), end("attention_mask", Element::I64, &[-1, 64])];
        assert!(Signature::of(&inputs, &outputs(), None).unwrap_err().contains("`attention_mask`"));
    }

    #[test]
    fn what_cannot_be_filled_or_read_is_named() {
        let ids = end("input_ids", Element::I64, &[-1, -1]);
        let cases = [
            (vec![ids.clone(), end("past_key_values.0.key", Element::F32, &[-1])], None, "key-value cache"),
            (vec![end("attention_mask", Element::I64, &[-1, -1])], None, "no input `input_ids`"),
            (vec![end("input_ids", Element::F32, &[-1, -1])], None, "integers"),
            (vec![end("input_ids", Element::I64, &[-1])], None, "axes"),
            (vec![ids.clone()], Some("scores"), "no output `scores`"),
        ];
        for (inputs, output, part) in cases {
            let message = Signature::of(&inputs, &outputs(), output).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
        let unknown = [end("a", Element::F32, &[-1]), end("b", Element::F32, &[-1])];
        assert!(Signature::of(&[ids], &unknown, None).unwrap_err().contains("`a`, `b`"));
    }
}
