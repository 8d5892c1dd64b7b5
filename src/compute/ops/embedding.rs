use super::Matrix;
use crate::compute::ComputeError;
use crate::compute::kernels::for_rows;
use crate::compute::kernels::narrow::decoded_rows;
use crate::compute::numbers::{numbers, tensor};
use crate::compute::tape::{Tape, Value};

/// One table, the row of it that each token takes, and the factor of that row.
#[derive(Clone, Debug)]
pub(in super::super) struct Lookup {
    /// [rows, width].
    pub(in super::super) table: Matrix,
    /// One a token.
    pub(in super::super) ids: Vec<u32>,
    /// Of the row.
    pub(in super::super) scale: f32,
}

impl Lookup {
    /// The width of its table, which has every row that is looked up.
    pub(super) fn checked_width(&self) -> Result<usize, ComputeError> {
        let (rows, width) = self.table.shape()?;
        match self.ids.iter().find(|&&id| id as usize >= rows) {
            Some(id) => Err(ComputeError::Batch(format!("row {id} is beyond the {rows} rows of the table"))),
            None => Ok(width),
        }
    }
}

/// The sum of the rows that the lookups give: [tokens, width].
pub(super) fn embed(tape: &mut Tape, lookups: Vec<Lookup>) -> Result<Value, ComputeError> {
    let mut sum = Vec::new();
    for lookup in &lookups {
        let width = lookup.checked_width()?;
        sum.resize(lookup.ids.len() * width, 0.0);
        let add = |out: &mut [f32], row: &[f32]| {
            out.iter_mut().zip(row).for_each(|(out, value)| *out += lookup.scale * value);
        };
        match &lookup.table {
            Matrix::Full(table) => {
                let table = numbers(&table.tensor)?;
                for_rows(&mut sum, width, |token, out| {
                    add(out, &table[lookup.ids[token] as usize * width..][..width]);
                });
            }
            Matrix::Narrow(table) => {
                let used = decoded_rows(table, &lookup.ids);
                for_rows(&mut sum, width, |token, out| add(out, &used[token * width..][..width]));
            }
            Matrix::NarrowTensors(_) => return Err(ComputeError::OtherEngine),
        }
    }
    let tokens = lookups.first().map_or(0, |lookup| lookup.ids.len());
    let width = sum.len() / tokens.max(1);
    let result = tensor(sum, &[tokens, width])?;
    let tables: Vec<Value> = lookups.iter().filter_map(|lookup| lookup.table.value().cloned()).collect();
    let tables: Vec<&Value> = tables.iter().collect();
    Ok(tape.record(&tables, result, move |gradient, gradients| {
        let from = numbers(&gradient)?;
        for lookup in &lookups {
            let Some(table) = lookup.table.value().filter(|table| table.node.is_some()) else { continue };
            let shape = table.tensor.dims();
            let mut back = vec![0.0f32; shape.iter().product()];
            // One token after the other: a row that two of them take is added to in a fixed order.
            for (&id, from) in lookup.ids.iter().zip(from.chunks_exact(width)) {
                let row = &mut back[id as usize * width..][..width];
                row.iter_mut().zip(from).for_each(|(to, from)| *to += lookup.scale * from);
            }
            gradients.add(table.node, tensor(back, shape)?)?;
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::super::check::{narrow, values, worst, worst_of_loops};
    use super::super::embed;
    use super::*;
    use crate::checkpoint::BaseNumbers;

    #[test]
    fn a_row_that_several_tokens_take_gets_all_their_gradients() {
        let difference = worst(&[&[5, 3], &[2, 3]], |tape, values| {
            let lookup = |table: usize, ids: &[u32], scale| Lookup {
                table: values[table].clone().into(),
                ids: ids.to_vec(),
                scale,
            };
            embed(tape, vec![lookup(0, &[4, 0, 4, 1], 3.0), lookup(1, &[0, 1, 1, 1], 1.0)])
        });
        assert!(difference < 1e-3, "{difference:e}");
    }

    #[test]
    fn rows_of_a_narrow_table_are_those_of_the_same_numbers_in_f32() {
        let narrow = narrow(&values(7 * 5, 3), 5, BaseNumbers::Bf16);
        let full = Matrix::from(Value::constant(narrow.tensor().unwrap()));
        let embedded = |table: &Matrix, tape: &mut Tape, other: &Value| {
            let lookup = |table: Matrix, ids: &[u32]| Lookup { table, ids: ids.to_vec(), scale: 3.0 };
            embed(tape, vec![lookup(table.clone(), &[6, 0, 6]), lookup(other.clone().into(), &[1, 0, 1])])
        };
        let mut tape = Tape::default();
        let other = Value::constant(tensor(values(10, 1), &[2, 5]).unwrap());
        let [one, same] =
            [&narrow, &full].map(|table| embedded(table, &mut tape, &other).unwrap().numbers().unwrap());
        assert_eq!(one, same);
        let difference = worst_of_loops(&[&[2, 5]], |tape, values| embedded(&narrow, tape, &values[0]));
        assert!(difference < 1e-3, "{difference:e}");
    }

    #[test]
    fn a_row_beyond_the_table_is_an_error() {
        let table = Value::constant(tensor(vec![0.0; 6], &[2, 3]).unwrap());
        let lookup = Lookup { table: table.into(), ids: vec![2], scale: 1.0 };
        let error = embed(&mut Tape::default(), vec![lookup]).unwrap_err();
        assert!(error.to_string().contains("row 2"), "{error}");
    }
}
