"""Reads a Kaggle LMSYS CSV with pandas and decodes its three text columns with json: what a competitor types.

Usage: read_pandas.py FILE. Prints one JSON line: {"seconds": ..., "rows": ...}.
"""

import json
import sys
import time

import pandas

started = time.perf_counter()
frame = pandas.read_csv(sys.argv[1])
for column in ["prompt", "response_a", "response_b"]:
    frame[column] = [json.loads(text) for text in frame[column]]
print(json.dumps({"seconds": time.perf_counter() - started, "rows": len(frame)}))
