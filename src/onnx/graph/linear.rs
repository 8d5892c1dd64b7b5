//! Linear maps: their matrices as they are or as whole numbers, in the number type of the graph or in f32.

use super::GraphError;
use super::builder::{MICROSOFT, Value, dimension};
use super::writer::Writer;
use crate::architectures::Linear;
use crate::checkpoint::LowBits;

/// f32 inside the operator, so that what a token gets does not depend on the tokens beside it (4 would round those too).
const ACCURACY_LEVEL: i64 = 1;

impl Writer<'_> {
    /// `x W'` alone.
    pub(super) fn product(&mut self, linear: &Linear, x: &str) -> Result<String, GraphError> {
        let element = self.precision.of_layer(&linear.name);
        let x = self.cast(x, element);
        let y = if let Some(form) = self.low_bits {
            self.product_of_blocks(linear, &x, form)?
        } else {
            let weight = self.store.weight(&mut self.builder, &linear.weight(), element)?;
            let transposed = [("transB", Value::Int(1))];
            self.typed_node(element, (MICROSOFT, "FusedMatMul"), &[&x, &weight], &transposed)
        };
        self.watch_linear(linear, &[&x, &y]);
        Ok(y)
    }

    fn product_of_blocks(&mut self, linear: &Linear, x: &str, form: LowBits) -> Result<String, GraphError> {
        let element = self.precision.of_layer(&linear.name);
        let names = self.store.blocks(&mut self.builder, &linear.weight(), (form, element))?;
        let attributes = [
            ("K", Value::Int(dimension(linear.inputs))),
            ("N", Value::Int(dimension(linear.outputs))),
            ("bits", Value::Int(dimension(form.weights.bits()))),
            ("block_size", Value::Int(dimension(form.block_size))),
            ("accuracy_level", Value::Int(ACCURACY_LEVEL)),
        ];
        let inputs = [x, &names.numbers, &names.scales, &names.zero_points];
        Ok(self.typed_node(element, (MICROSOFT, "MatMulNBits"), &inputs, &attributes))
    }

    /// b in the number type of what it is added to, or the empty name.
    pub(super) fn bias(&mut self, linear: &Linear, y: &str) -> Result<String, GraphError> {
        let element = self.precision.of_value(y);
        match linear.bias() {
            Some(bias) => self.store.weight(&mut self.builder, &bias, element),
            None => Ok(String::new()),
        }
    }
}
