"""Fits one temperature to 1,000,000 triples of probabilities in memory with scikit-learn; prints one JSON line.

The same data as benches/temperature.rs. `_TemperatureScaling` is what CalibratedClassifierCV(method="temperature")
fits (scikit-learn 1.8 and later), called directly so that no time goes into cross-validation or the base model.
"""
import json
import statistics
import time

import numpy as np
import sklearn
from sklearn.calibration import _TemperatureScaling

ROWS, RUNS = 1_000_000, 3


def uniform(index):
    """SplitMix64, as in the Rust program."""
    with np.errstate(over="ignore"):
        x = (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53


rows = np.arange(ROWS, dtype=np.uint64) * np.uint64(4)
logits = 6.0 * np.stack([uniform(rows + np.uint64(k)) for k in range(3)], 1) - 3.0
truth = np.exp(0.7 * logits)
position = uniform(rows + np.uint64(3)) * truth.sum(1)
labels = np.where(position < truth[:, 0], 0, np.where(position < truth[:, 0] + truth[:, 1], 1, 2))
probabilities = np.exp(logits - np.log(np.exp(logits).sum(1, keepdims=True)))

seconds = []
for _ in range(RUNS):
    start = time.perf_counter()
    model = _TemperatureScaling().fit(probabilities, labels)
    seconds.append(time.perf_counter() - start)
print(json.dumps({
    "bench": "temperature", "program": f"scikit-learn {sklearn.__version__}", "rows": ROWS,
    "seconds": round(statistics.median(seconds), 6), "min_seconds": round(min(seconds), 6),
    "max_seconds": round(max(seconds), 6), "temperature": round(float(1 / model.beta_), 9),
}))
