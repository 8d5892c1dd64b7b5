"""Peer of benches/solvers.rs: the same fits by scikit-learn, on the files that it generated.

    python benches/peers/softmax_sklearn.py FOLDER [dense|sparse]... [--tolerance 1e-4] [--judge]

Prints one JSON line a case: seconds of the fit, objective and largest gradient, in double precision, of
scikit-learn's solution, and with --judge the same of the weights that solvers.rs left in FOLDER.
Threads: set OMP_NUM_THREADS and OPENBLAS_NUM_THREADS.
"""
import argparse
import json
import pathlib
import time
import warnings

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.linear_model import LogisticRegression

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("cases", nargs="*", default=["dense", "sparse"])
parser.add_argument("--tolerance", type=float, default=1e-4)
parser.add_argument("--judge", action="store_true")
parser.add_argument("--no-fit", action="store_true")
args = parser.parse_args()


def load(case):
    y = np.fromfile(args.folder / f"{case}.y", np.uint8)
    if case == "dense":
        return np.fromfile(args.folder / "dense.x", np.float32).reshape(len(y), -1).astype(np.float64), y
    indptr = np.fromfile(args.folder / "sparse.indptr", np.int64)
    indices = np.fromfile(args.folder / "sparse.indices", np.int32)
    data = np.fromfile(args.folder / "sparse.data", np.float32).astype(np.float64)
    return csr_matrix((data, indices, indptr.astype(np.int32)), shape=(len(y), 60_000)), y


def judge(x, y, coefficients, intercepts):
    """Objective and largest gradient of the mean cross-entropy plus |W|^2 / (2 n)."""
    n = len(y)
    z = x @ coefficients.T + intercepts
    z -= z.max(1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(n), y]).mean() + (coefficients**2).sum() / (2 * n)
    p[np.arange(n), y] -= 1
    gradient = (x.T @ p).T / n + coefficients / n
    return loss, max(np.abs(gradient).max(), np.abs(p.mean(0)).max())


for case in args.cases:
    x, y = load(case)
    shared = {"case": case, "tolerance": args.tolerance, "features": "sparse" if issparse(x) else "dense"}
    if not args.no_fit:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            started = time.perf_counter()
            model = LogisticRegression(C=1.0, tol=args.tolerance, max_iter=10_000).fit(x, y)
            seconds = time.perf_counter() - started
        loss, gradient = judge(x, y, model.coef_, model.intercept_)
        print(json.dumps({"side": "scikit-learn", **shared, "seconds": seconds, "objective": loss,
                          "gradient": gradient, "iterations": int(model.n_iter_[0])}), flush=True)
    if args.judge:
        exponent = f"{args.tolerance:.0e}".replace("e-0", "e-")
        for name in [case] + (["dense_f64"] if case == "dense" else []):
            path = args.folder / f"{name}-{exponent}.ours"
            if path.exists():
                values = np.fromfile(path, np.float64)
                loss, gradient = judge(x, y, values[:-3].reshape(3, -1), values[-3:])
                print(json.dumps({"side": "tiebreak, judged", **shared, "case": name, "objective": loss,
                                  "gradient": gradient}), flush=True)
