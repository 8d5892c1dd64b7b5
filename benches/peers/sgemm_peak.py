"""The best single-precision matrix product of the machine in FLOP/s; prints one JSON line.

Run: python sgemm_peak.py [THREADS]
"""
import json
import sys
import time

import torch


def main():
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.set_num_threads(threads)
    size, best = 2048, 0.0
    a, b = torch.randn(size, size), torch.randn(size, size)
    for _ in range(12):
        started = time.perf_counter()
        a @ b
        best = max(best, 2 * size**3 / (time.perf_counter() - started))
    print(json.dumps({"bench": "sgemm", "threads": threads, "flops_per_second": best}))


if __name__ == "__main__":
    main()
