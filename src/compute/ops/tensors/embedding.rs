use candle_core::Tensor;

use super::super::{Lookup, Matrix};
use crate::compute::ComputeError;
use crate::compute::tape::{Tape, Value};

/// The sum of the rows that the lookups give: [tokens, width].
pub(in super::super) fn embed(tape: &mut Tape, lookups: &[Lookup]) -> Result<Value, ComputeError> {
    let mut sum: Option<Tensor> = None;
    let mut taken = Vec::new();
    for lookup in lookups {
        lookup.checked_width()?;
        let (rows, ids) = rows(lookup)?;
        let rows = (rows * f64::from(lookup.scale))?;
        sum = Some(if let Some(sum) = sum { (sum + rows)? } else { rows });
        taken.push((lookup.table.value().cloned(), ids, f64::from(lookup.scale)));
    }
    let sum = sum.ok_or_else(|| ComputeError::Batch("nothing is looked up".to_owned()))?;
    let tables: Vec<Value> = taken.iter().filter_map(|(table, ..)| table.clone()).collect();
    let tables: Vec<&Value> = tables.iter().collect();
    Ok(tape.record(&tables, sum, move |gradient, gradients| {
        for (table, ids, scale) in &taken {
            let Some(table) = table.as_ref().filter(|table| table.node.is_some()) else { continue };
            let back = table.tensor.zeros_like()?.index_add(ids, &(&gradient * *scale)?.contiguous()?, 0)?;
            gradients.add(table.node, back)?;
        }
        Ok(())
    }))
}

/// The rows of one lookup, and which they are, where the table is.
fn rows(lookup: &Lookup) -> Result<(Tensor, Tensor), ComputeError> {
    let ids = |device| Tensor::from_slice(&lookup.ids, lookup.ids.len(), device);
    Ok(match &lookup.table {
        Matrix::Full(table) => {
            let ids = ids(table.tensor.device())?;
            (table.tensor.contiguous()?.index_select(&ids, 0)?, ids)
        }
        Matrix::NarrowTensors(table) => {
            let ids = ids(table.device())?;
            (table.rows(&ids)?, ids)
        }
        Matrix::Narrow(_) => return Err(ComputeError::OtherEngine),
    })
}
