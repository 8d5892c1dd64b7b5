"""The best single-precision matrix product of the machine in FLOP/s; prints one JSON line.

Run: python sgemm_peak.py [THREADS]. Three libraries are asked, because none is the fastest on every processor: MKL
through torch, OpenBLAS through NumPy (threads as its environment says), MLAS through ONNX Runtime.
"""
import json
import sys
import time

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper

SIZE, RUNS = 2048, 10


def best(product):
    product()
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        product()
        times.append(time.perf_counter() - started)
    return 2 * SIZE**3 / min(times)


def mlas(a, b, threads):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [SIZE, SIZE]) for name in ("a", "c")]
    weights = helper.make_tensor("b", TensorProto.FLOAT, b.shape, b.tobytes(), raw=True)
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", ends[:1], ends[1:], [weights])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"a": a})


def main():
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.set_num_threads(threads)
    a, b = (np.random.default_rng(seed).standard_normal((SIZE, SIZE), np.float32) for seed in (1, 2))
    torch_a, torch_b = torch.from_numpy(a), torch.from_numpy(b)
    found = {"mkl": best(lambda: torch_a @ torch_b), "openblas": best(lambda: a @ b), "mlas": best(mlas(a, b, threads))}
    print(json.dumps({"bench": "sgemm", "threads": threads, **found, "flops_per_second": max(found.values())}))


if __name__ == "__main__":
    main()
