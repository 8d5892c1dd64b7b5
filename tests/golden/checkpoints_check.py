"""Runs onnx.checker over graphs that tiebreak wrote: python checkpoints_check.py models/*/model.onnx

Written for onnx 1.23.2. Fused operators of com.microsoft are outside its knowledge and are passed over.
"""

import sys

import onnx

for path in sys.argv[1:]:
    onnx.checker.check_model(path)
    model = onnx.load(path, load_external_data=False)
    versions = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    print(f"{path}: {len(model.graph.node)} nodes, opsets {versions}: passes")
