use super::BatchError;
use super::signature::{Element, InputRole, ModelInput, Signature};

/// One row of a batch: token ids and the part that each token belongs to, of the same length.
pub type Row<'a> = (&'a [u32], &'a [u32]);

/// A padded batch as the model asks for it, ready to be sent to a session.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PaddedBatch {
    /// Lengths of the rows without padding; rows added to fill a fixed batch are not among them.
    pub(super) lengths: Vec<usize>,
    /// Rows with those added to fill a fixed batch.
    pub(super) rows: usize,
    /// Tokens of a padded row.
    pub(super) sequence: usize,
    pub(super) tensors: Vec<IntegerTensor>,
}

/// One input tensor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IntegerTensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: Integers,
}

/// Values of an input tensor, row after row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Integers {
    I32(Vec<i32>),
    I64(Vec<i64>),
}

/// Pads rows on the right to the longest of them, or to the size that the graph is fixed to.
///
/// # Errors
/// `BatchError::Row` when a row is empty, ragged, too long for the graph, or holds an id above i32.
pub(super) fn pad(signature: &Signature, rows: &[Row<'_>], pad_id: u32) -> Result<PaddedBatch, BatchError> {
    for (row, (ids, type_ids)) in rows.iter().enumerate() {
        let fail = |message: String| Err(BatchError::Row { row, message });
        if ids.is_empty() {
            return fail("has no tokens".to_owned());
        }
        if ids.len() != type_ids.len() {
            return fail(format!("has {} tokens and {} type ids", ids.len(), type_ids.len()));
        }
        if signature.fixed_sequence.is_some_and(|fixed| ids.len() > fixed) {
            let fixed = signature.fixed_sequence.unwrap_or_default();
            return fail(format!("has {} tokens where the graph is fixed to {fixed}", ids.len()));
        }
        if ids.iter().any(|id| i32::try_from(*id).is_err()) {
            return fail("holds a token id above 2147483647".to_owned());
        }
    }
    let lengths: Vec<usize> = rows.iter().map(|(ids, _)| ids.len()).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let shape = Shape {
        rows: signature.fixed_batch.unwrap_or(rows.len()).max(rows.len()),
        sequence: signature.fixed_sequence.unwrap_or(longest),
        pad_id,
    };
    let tensors = signature.inputs.iter().map(|input| tensor(input, rows, &shape)).collect();
    Ok(PaddedBatch { lengths, rows: shape.rows, sequence: shape.sequence, tensors })
}

struct Shape {
    rows: usize,
    sequence: usize,
    pad_id: u32,
}

fn tensor(input: &ModelInput, rows: &[Row<'_>], shape: &Shape) -> IntegerTensor {
    let dimensions = match input.role {
        InputRole::TotalLength => Vec::new(),
        InputRole::LastPosition => vec![shape.rows],
        _ => vec![shape.rows, shape.sequence],
    };
    // A fixed batch is filled with copies of the last row, which cost nothing but their own time.
    let filled = (0..shape.rows).filter_map(|row| rows.get(row).or(rows.last()));
    let mut values = Vec::with_capacity(dimensions.iter().product());
    for (ids, type_ids) in filled {
        let (length, padding) = (ids.len(), shape.sequence - ids.len());
        match input.role {
            InputRole::Ids => {
                values.extend(ids.iter().map(|id| i64::from(*id)));
                values.extend(std::iter::repeat_n(i64::from(shape.pad_id), padding));
            }
            InputRole::AttentionMask => {
                values.extend(std::iter::repeat_n(1, length));
                values.extend(std::iter::repeat_n(0, padding));
            }
            InputRole::TypeIds => {
                values.extend(type_ids.iter().map(|id| i64::from(*id)));
                values.extend(std::iter::repeat_n(0, padding));
            }
            InputRole::Positions => values.extend((0_i64..).take(shape.sequence)),
            InputRole::LastPosition => values.push(integer(length) - 1),
            InputRole::TotalLength => {}
        }
    }
    if input.role == InputRole::TotalLength {
        values.push(integer(shape.sequence));
    }
    IntegerTensor { name: input.name.clone(), shape: dimensions, values: typed(input.element, values) }
}

/// A length as an integer; rows are far shorter than 2^63 tokens.
fn integer(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn typed(element: Element, values: Vec<i64>) -> Integers {
    if element == Element::I64 {
        return Integers::I64(values);
    }
    // Ids were checked, everything else is a length: nothing here is above i32.
    Integers::I32(values.into_iter().map(|value| i32::try_from(value).unwrap_or(i32::MAX)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(roles: &[(InputRole, Element)]) -> Signature {
        let inputs = roles.iter().map(|(role, element)| ModelInput {
            name: format!("{role:?}"),
            role: *role,
            element: *element,
        });
        Signature {
            inputs: inputs.collect(),
            output: "hidden".to_owned(),
            element: Element::F32,
            fixed_batch: None,
            fixed_sequence: None,
        }
    }

    const ROWS: [Row<'static>; 2] = [(&[5, 6, 7], &[0, 0, 1]), (&[8], &[1])];

    #[test]
    fn rows_are_padded_on_the_right_to_the_longest() {
        let roles = [
            (InputRole::Ids, Element::I32),
            (InputRole::AttentionMask, Element::I64),
            (InputRole::TypeIds, Element::I64),
            (InputRole::Positions, Element::I64),
            (InputRole::LastPosition, Element::I32),
            (InputRole::TotalLength, Element::I32),
        ];
        let batch = pad(&signature(&roles), &ROWS, 9).unwrap();
        let expected = [
            Integers::I32(vec![5, 6, 7, 8, 9, 9]),
            Integers::I64(vec![1, 1, 1, 1, 0, 0]),
            Integers::I64(vec![0, 0, 1, 1, 0, 0]),
            Integers::I64(vec![0, 1, 2, 0, 1, 2]),
            Integers::I32(vec![2, 0]),
            Integers::I32(vec![3]),
        ];
        for (tensor, values) in batch.tensors.iter().zip(expected) {
            assert_eq!(tensor.values, values, "{}", tensor.name);
        }
        assert_eq!(batch.tensors[0].shape, [2, 3]);
        assert_eq!(batch.tensors[4].shape, [2]);
        assert!(batch.tensors[5].shape.is_empty());
        assert_eq!((batch.lengths, batch.sequence), (vec![3, 1], 3));
    }

    #[test]
    fn a_graph_of_fixed_size_is_filled() {
        let mut fixed = signature(&[(InputRole::Ids, Element::I64)]);
        (fixed.fixed_batch, fixed.fixed_sequence) = (Some(3), Some(4));
        let batch = pad(&fixed, &ROWS, 0).unwrap();
        assert_eq!(batch.tensors[0].values, Integers::I64(vec![5, 6, 7, 0, 8, 0, 0, 0, 8, 0, 0, 0]));
        assert_eq!((batch.rows, batch.lengths.len()), (3, 2));
        let message = pad(&fixed, &[(&[1; 5], &[0; 5])], 0).unwrap_err().to_string();
        assert!(message.contains("5 tokens where the graph is fixed to 4"), "{message}");
    }

    #[test]
    fn rows_that_fit_no_graph_are_named() {
        let signature = signature(&[(InputRole::Ids, Element::I64)]);
        let rows: [Row<'_>; 3] = [(&[], &[]), (&[1, 2], &[0]), (&[u32::MAX], &[0])];
        for row in rows {
            let message = pad(&signature, &[ROWS[0], row], 0).unwrap_err().to_string();
            assert!(message.starts_with("row 1 of the batch"), "{message}");
        }
    }
}
