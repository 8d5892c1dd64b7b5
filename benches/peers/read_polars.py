"""Reads a Kaggle LMSYS CSV with polars and decodes its three text columns with json.

Usage: read_polars.py FILE. Prints one JSON line: {"seconds": ..., "rows": ...}.
The number of threads is set from outside with POLARS_MAX_THREADS.
"""

import json
import sys
import time

import polars

started = time.perf_counter()
frame = polars.read_csv(sys.argv[1])
texts = {
    column: [json.loads(text) for text in frame[column]] for column in ["prompt", "response_a", "response_b"]
}
rows = frame.height
assert all(len(decoded) == rows for decoded in texts.values())
print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}))
