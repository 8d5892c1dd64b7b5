"""Prints low_bits.json: rows of numbers in blocks of 8 and 4 bits, by the formula in numpy.

python low_bits.py > low_bits.json

Written for numpy 2.4.6, onnx 1.23.2 and onnxruntime 1.31.1. Before anything is printed, the operator MatMulNBits of
onnxruntime must give with these bytes what the numbers that they stand for give, and onnxruntime's own block-wise
quantiser must choose the same 4-bit numbers where its rounding of ties allows a comparison.
"""

import json
import sys

import numpy
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROWS = 3
SHAPES = [(45, 16), (64, 32), (33, 32)]


def blocks_of(rows, size):
    missing = -rows.shape[1] % size
    return numpy.pad(rows, ((0, 0), (0, missing))).reshape(len(rows), -1, size), missing


def rounded(rows, bits, size, scale_type):
    """Whole numbers [rows, blocks, size], scales and zero points [rows, blocks], all in f32 arithmetic."""
    blocks, missing = blocks_of(rows, size)
    lowest = numpy.minimum(blocks.min(axis=-1), 0).astype(numpy.float32)
    highest = numpy.maximum(blocks.max(axis=-1), 0).astype(numpy.float32)
    most = numpy.float32(2**bits - 1)
    scales = ((highest - lowest) / most).astype(scale_type)
    stored = scales.astype(numpy.float32)
    safe = numpy.where(stored == 0, numpy.float32(1), stored)
    zeros = numpy.where(stored == 0, 0, numpy.clip(numpy.rint(-lowest / safe), 0, most))
    numbers = numpy.clip(numpy.rint(blocks / safe[..., None]) + zeros[..., None], 0, most)
    if missing:
        numbers[:, -1, -missing:] = zeros[:, -1, None]
    return numbers.astype(numpy.uint8), scales, zeros.astype(numpy.uint8)


def meant(numbers, scales, zeros, width):
    values = (numbers.astype(numpy.float32) - zeros[..., None]) * scales.astype(numpy.float32)[..., None]
    return values.reshape(len(numbers), -1)[:, :width]


def packed(numbers, bits):
    if bits == 8:
        return numbers
    if numbers.shape[-1] % 2:
        numbers = numpy.pad(numbers, [(0, 0)] * (numbers.ndim - 1) + [(0, 1)])
    return numbers[..., 0::2] | (numbers[..., 1::2] << 4)


def product(rows, numbers, scales, zeros, bits, size):
    """x times the matrix, by the operator."""
    outputs, width = rows.shape
    tensors = {"numbers": packed(numbers, bits), "scales": scales, "zeros": packed(zeros, bits)}
    attributes = {"K": width, "N": outputs, "bits": bits, "block_size": size, "accuracy_level": 1}
    node = helper.make_node("MatMulNBits", ["x", *tensors], ["y"], domain="com.microsoft", **attributes)
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", kind, ["rows", width])],
        [helper.make_tensor_value_info("y", kind, ["rows", outputs])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    versions = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=11)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = numpy.random.default_rng(2).normal(size=(4, width)).astype(numpy.float32)
    return x, session.run(None, {"x": x})[0]


def check_operator(rows, numbers, scales, zeros, bits, size):
    x, found = product(rows, numbers, scales, zeros, bits, size)
    expected = x.astype(numpy.float64) @ meant(numbers, scales, zeros, rows.shape[1]).astype(numpy.float64).T
    assert numpy.abs(found - expected).max() < 1e-4, (bits, size)


def check_quantiser(rows, numbers, scales, zeros, size):
    """onnxruntime's own quantiser of 4 bits takes the matrix the other way round."""
    from onnxruntime.capi._pybind_state import quantize_matmul_4bits

    outputs, width = rows.shape
    count = numbers.shape[1]
    theirs = numpy.zeros((outputs, count, size // 2), dtype=numpy.uint8)
    their_scales = numpy.zeros(outputs * count, dtype=numpy.float32)
    their_zeros = numpy.zeros((outputs, (count + 1) // 2), dtype=numpy.uint8)
    transposed = numpy.ascontiguousarray(rows.T)
    quantize_matmul_4bits(theirs, transposed, their_scales, their_zeros, size, outputs, width, False)
    assert numpy.allclose(their_scales.reshape(scales.shape), scales, rtol=1e-6), "scales"
    low, high = their_zeros & 15, their_zeros >> 4
    unpacked = numpy.stack([low, high], axis=-1).reshape(outputs, -1)[:, :count]
    assert (unpacked == zeros).all(), "zero points"
    low, high = theirs & 15, theirs >> 4
    unpacked = numpy.stack([low, high], axis=-1).reshape(outputs, count, size)
    whole = unpacked.reshape(outputs, -1)[:, :width]
    # It multiplies by the reciprocal of the scale and adds the zero point before it rounds.
    ours = numbers.reshape(outputs, -1)[:, :width]
    assert (whole != ours).mean() < 0.02, f"{(whole != ours).mean()} of the numbers differ"


def main():
    random = numpy.random.default_rng(1)
    cases = []
    for width, size in SHAPES:
        rows = (random.normal(size=(ROWS, width)) * 0.05).astype(numpy.float32)
        # A block of zeros, a block on one side of 0, and a large number among small ones.
        rows[0, :size] = 0
        rows[1, :size] = numpy.abs(rows[1, :size]) + numpy.float32(0.01)
        rows[2, 5] = 7.5
        for bits in (8, 4):
            for name, scale_type in (("f32", numpy.float32), ("f16", numpy.float16)):
                numbers, scales, zeros = rounded(rows, bits, size, scale_type)
                if name == "f32":
                    check_operator(rows, numbers, scales, zeros, bits, size)
                    if bits == 4:
                        check_quantiser(rows, numbers, scales, zeros, size)
                moved = (meant(numbers, scales, zeros, width) - rows).astype(numpy.float64)
                cases.append(
                    {
                        "weights": f"int{bits}",
                        "block_size": size,
                        "scales_in": name,
                        "rows": [[float(value) for value in row] for row in rows],
                        "numbers": [packed(row, bits).tobytes().hex() for row in numbers],
                        "scales": [row.tobytes().hex() for row in scales],
                        "zero_points": [packed(row[None], bits).tobytes().hex() for row in zeros],
                        "relative_error": float(
                            numpy.sqrt((moved**2).sum() / (rows.astype(numpy.float64) ** 2).sum())
                        ),
                    }
                )
    json.dump(cases, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
