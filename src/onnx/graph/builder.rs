use std::collections::BTreeSet;

use prost::Message;

use super::messages::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Size, Tensor, TensorType, Type, ValueInfo,
};
use crate::checkpoint::Element;

/// The operators of ONNX Runtime's own.
pub(super) const MICROSOFT: &str = "com.microsoft";

/// The lowest set of ONNX operators that has all that is used: `RMSNormalization` came with 23.
const OPERATORS: i64 = 23;
/// The form of file that goes with it.
const IR_VERSION: i64 = 11;

/// Number types as onnx.proto numbers them.
pub(super) mod types {
    pub(in super::super) const UINT8: i32 = 2;
    pub(in super::super) const INT32: i32 = 6;
    pub(in super::super) const INT64: i32 = 7;
    pub(in super::super) const FLOAT: i32 = 1;
}

/// The number of an element's type in onnx.proto.
pub(super) fn data_type(element: Element) -> i32 {
    match element {
        Element::F32 => types::FLOAT,
        Element::F16 => 10,
        Element::Bf16 => 16,
    }
}

/// A value of an attribute.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// An integer.
    Int(i64),
    /// A float.
    Float(f32),
    /// Integers.
    Ints(Vec<i64>),
}

/// The nodes and small constants of a graph, as they come.
#[derive(Debug, Default)]
pub(super) struct Builder {
    graph: Graph,
    constants: BTreeSet<String>,
}

impl Builder {
    /// Adds a node and gives the name of its first output.
    pub(super) fn node(
        &mut self,
        operator: (&str, &str),
        inputs: &[&str],
        attributes: &[(&str, Value)],
    ) -> String {
        let [output] = self.node_with(operator, inputs, attributes, [true]);
        output
    }

    /// The same for several outputs; those that are not wanted get no name, and the last of them no place either.
    pub(super) fn node_with<const N: usize>(
        &mut self,
        (domain, operator): (&str, &str),
        inputs: &[&str],
        attributes: &[(&str, Value)],
        wanted: [bool; N],
    ) -> [String; N] {
        let name = format!("{operator}_{}", self.graph.node.len());
        let mut place = 0;
        let outputs = wanted.map(|wanted| {
            place += 1;
            if wanted { format!("{name}.{place}") } else { String::new() }
        });
        let named = outputs.iter().rposition(|output| !output.is_empty()).map_or(0, |last| last + 1);
        self.graph.node.push(Node {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: outputs[..named].to_vec(),
            name,
            op_type: operator.to_owned(),
            attribute: attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
            domain: domain.to_owned(),
        });
        outputs
    }

    /// A constant list of integers.
    pub(super) fn integers(&mut self, values: &[i64]) -> String {
        let joined: Vec<String> = values.iter().map(i64::to_string).collect();
        let name = format!("integers_{}", joined.join("_"));
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let dims = vec![dimension(values.len())];
        self.constant(name, dims, (types::INT64, bytes))
    }

    /// A constant list of integers that is too long to be named by them.
    pub(super) fn named_integers(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name.to_owned(), vec![dimension(values.len())], (types::INT64, bytes))
    }

    /// A constant integer.
    pub(super) fn integer(&mut self, value: i64) -> String {
        let bytes = value.to_le_bytes().to_vec();
        self.constant(format!("integer_{value}"), Vec::new(), (types::INT64, bytes))
    }

    /// A constant number of the graph's own type, given by its bytes.
    pub(super) fn scalar(&mut self, element: Element, value: f32, bytes: Vec<u8>) -> String {
        self.constant(format!("scalar_{value:e}"), Vec::new(), (data_type(element), bytes))
    }

    fn constant(&mut self, name: String, dims: Vec<i64>, (data_type, bytes): (i32, Vec<u8>)) -> String {
        if self.constants.insert(name.clone()) {
            let raw_data = Some(bytes);
            self.add_tensor(Tensor { dims, data_type, name: name.clone(), raw_data, ..Default::default() });
        }
        name
    }

    /// Adds a constant whose numbers may be elsewhere.
    pub(super) fn add_tensor(&mut self, tensor: Tensor) {
        self.graph.initializer.push(tensor);
    }

    /// Declares an input; dimensions are named.
    pub(super) fn input(&mut self, name: &str, data_type: i32, dims: &[&str]) {
        let sizes = dims.iter().map(|&dim| Size::Named(dim.to_owned())).collect();
        self.graph.input.push(value_info(name, data_type, sizes));
    }

    /// Gives a value the name of an output of the graph.
    pub(super) fn output(&mut self, value: &str, name: &str, sizes: Vec<Size>) {
        for node in &mut self.graph.node {
            for named in node.input.iter_mut().chain(&mut node.output).filter(|named| *named == value) {
                name.clone_into(named);
            }
        }
        self.graph.output.push(value_info(name, types::FLOAT, sizes));
    }

    /// How many nodes there are.
    pub(super) fn node_count(&self) -> usize {
        self.graph.node.len()
    }

    /// The bytes of the file.
    pub(super) fn encode(mut self, name: &str) -> Vec<u8> {
        name.clone_into(&mut self.graph.name);
        let set = |domain: &str, version| OperatorSet { domain: domain.to_owned(), version };
        let model = Model {
            ir_version: IR_VERSION,
            producer_name: "tiebreak".to_owned(),
            graph: Some(self.graph),
            opset_import: vec![set("", OPERATORS), set(MICROSOFT, 1)],
        };
        model.encode_to_vec()
    }
}

fn attribute(name: &str, value: &Value) -> Attribute {
    let name = name.to_owned();
    match value {
        Value::Float(float) => Attribute { name, f: Some(*float), r#type: 1, ..Default::default() },
        Value::Int(int) => Attribute { name, i: Some(*int), r#type: 2, ..Default::default() },
        Value::Ints(ints) => Attribute { name, ints: ints.clone(), r#type: 7, ..Default::default() },
    }
}

fn value_info(name: &str, elem_type: i32, sizes: Vec<Size>) -> ValueInfo {
    let dim = sizes.into_iter().map(|size| Dimension { size: Some(size) }).collect();
    let tensor_type = Some(TensorType { elem_type, shape: Some(Shape { dim }) });
    ValueInfo { name: name.to_owned(), r#type: Some(Type { tensor_type }) }
}

/// A size as ONNX has it. Sizes come from shapes of tensors in memory, which are below 2^63.
pub(super) fn dimension(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
