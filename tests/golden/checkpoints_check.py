"""Runs onnx.checker over graphs that tiebreak wrote: python checkpoints_check.py models/*/model.onnx

Written for onnx 1.23.2. Fused operators of com.microsoft are outside its knowledge and are passed over; of MatMulNBits
the shapes of the whole numbers, scales and zero points are checked here against its attributes, and that the data file
holds them.
"""

import os
import sys

import onnx

BYTES = {onnx.TensorProto.UINT8: 1, onnx.TensorProto.FLOAT: 4, onnx.TensorProto.FLOAT16: 2, onnx.TensorProto.BFLOAT16: 2}


def check_blocks(path, node, tensors):
    """[N, blocks, block bytes], [N, blocks] and [N, bytes of zero points], each as long as its shape says."""
    values = {attribute.name: attribute.i for attribute in node.attribute}
    width, outputs, bits, size = (values[name] for name in ("K", "N", "bits", "block_size"))
    blocks = -(-width // size)
    shapes = [[outputs, blocks, size * bits // 8], [outputs, blocks], [outputs, -(-blocks * bits // 8)]]
    for name, expected in zip(node.input[1:4], shapes):
        tensor = tensors[name]
        assert list(tensor.dims) == expected, f"{path}: {name} is {list(tensor.dims)}, not {expected}"
        length = BYTES[tensor.data_type]
        for dimension in expected:
            length *= dimension
        where = {entry.key: entry.value for entry in tensor.external_data}
        found = int(where["length"]) if where else len(tensor.raw_data)
        assert found == length, f"{path}: {name} has {found} bytes, not {length}"
        if where:
            file = os.path.join(os.path.dirname(path), where["location"])
            end = int(where["offset"]) + length
            assert os.path.getsize(file) >= end, f"{path}: {name} ends behind the end of {file}"


for path in sys.argv[1:]:
    onnx.checker.check_model(path)
    model = onnx.load(path, load_external_data=False)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    rounded = [node for node in model.graph.node if node.op_type == "MatMulNBits"]
    for node in rounded:
        check_blocks(path, node, tensors)
    versions = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    print(f"{path}: {len(model.graph.node)} nodes, {len(rounded)} of whole numbers, opsets {versions}: passes")
