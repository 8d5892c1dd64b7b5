use crate::compute::ComputeError;
use crate::compute::kernels::for_rows;
use crate::compute::numbers::{numbers, tensor};
use crate::compute::tape::{Tape, Value};

/// One table, the row of it that each token takes, and the factor of that row.
#[derive(Clone, Debug)]
pub(in super::super) struct Lookup {
    /// [rows, width].
    pub(in super::super) table: Value,
    /// One a token.
    pub(in super::super) ids: Vec<u32>,
    /// Of the row.
    pub(in super::super) scale: f32,
}

/// The sum of the rows that the lookups give: [tokens, width].
pub(in super::super) fn embed(tape: &mut Tape, lookups: Vec<Lookup>) -> Result<Value, ComputeError> {
    let mut sum = Vec::new();
    for lookup in &lookups {
        let (rows, width) = lookup.table.tensor.dims2()?;
        if let Some(id) = lookup.ids.iter().find(|&&id| id as usize >= rows) {
            return Err(ComputeError::Batch(format!("row {id} is beyond the {rows} rows of the table")));
        }
        sum.resize(lookup.ids.len() * width, 0.0);
        let table = numbers(&lookup.table.tensor)?;
        for_rows(&mut sum, width, |token, out| {
            let row = &table[lookup.ids[token] as usize * width..][..width];
            out.iter_mut().zip(row).for_each(|(out, value)| *out += lookup.scale * value);
        });
    }
    let tokens = lookups.first().map_or(0, |lookup| lookup.ids.len());
    let width = sum.len() / tokens.max(1);
    let result = tensor(sum, &[tokens, width])?;
    let tables: Vec<Value> = lookups.iter().map(|lookup| lookup.table.clone()).collect();
    let tables: Vec<&Value> = tables.iter().collect();
    Ok(tape.record(&tables, result, move |gradient, gradients| {
        let from = numbers(&gradient)?;
        for lookup in lookups.iter().filter(|lookup| lookup.table.node.is_some()) {
            let shape = lookup.table.tensor.dims();
            let mut back = vec![0.0f32; shape.iter().product()];
            // One token after the other: a row that two of them take is added to in a fixed order.
            for (&id, from) in lookup.ids.iter().zip(from.chunks_exact(width)) {
                let row = &mut back[id as usize * width..][..width];
                row.iter_mut().zip(from).for_each(|(to, from)| *to += lookup.scale * from);
            }
            gradients.add(lookup.table.node, tensor(back, shape)?)?;
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::super::check::worst;
    use super::*;

    #[test]
    fn a_row_that_several_tokens_take_gets_all_their_gradients() {
        let difference = worst(&[&[5, 3], &[2, 3]], |tape, values| {
            let lookup = |table: usize, ids: &[u32], scale| Lookup {
                table: values[table].clone(),
                ids: ids.to_vec(),
                scale,
            };
            embed(tape, vec![lookup(0, &[4, 0, 4, 1], 3.0), lookup(1, &[0, 1, 1, 1], 1.0)])
        });
        assert!(difference < 1e-3, "{difference:e}");
    }

    #[test]
    fn a_row_beyond_the_table_is_an_error() {
        let table = Value::constant(tensor(vec![0.0; 6], &[2, 3]).unwrap());
        let lookup = Lookup { table, ids: vec![2], scale: 1.0 };
        let error = embed(&mut Tape::default(), vec![lookup]).unwrap_err();
        assert!(error.to_string().contains("row 2"), "{error}");
    }
}
