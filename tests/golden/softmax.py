"""Prints softmax.json: softmax regressions fitted by scikit-learn to a gradient near rounding error.

    python tests/golden/softmax.py > tests/golden/softmax.json

scikit-learn minimises  C * sum_i s_i CE_i + |W|^2 / 2 , ours  sum_i s_i CE_i / sum_i s_i + lambda |W|^2 / 2 ,
so C = 1 / (lambda * sum of weights). Soft targets: each row three times, weighted by its shares.
The swap-equivariant model: both orders of each battle, odd features negated in the second; there the
weight of an odd feature is spread over two classes (penalty lambda/2) and that of an even one over three
(2 lambda/3).
"""
import json
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(7)


def labels(logits):
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return (p.cumsum(1) > rng.random(len(p))[:, None]).argmax(1)


def fit(x, targets, weights, penalty):
    rows = np.repeat(np.arange(len(x)), 3)
    classes = np.tile(np.arange(3), len(x))
    s = (targets * weights[:, None]).ravel()
    keep = s > 0
    model = LogisticRegression(C=1 / (penalty * weights.sum()), solver="newton-cg", tol=1e-13, max_iter=10_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x[rows[keep]], classes[keep], sample_weight=s[keep])
    return model


def objective(model, x, targets, weights, penalty):
    p = model.predict_proba(x)
    loss = -(targets * np.log(p)).sum(1)
    return (weights * loss).sum() / weights.sum() + penalty / 2 * (model.coef_**2).sum()


def gradient(model, x, targets, weights, penalty):
    r = (model.predict_proba(x) - targets) * (weights / weights.sum())[:, None]
    return max(np.abs(r.T @ x + penalty * model.coef_).max(), np.abs(r.sum(0)).max())


def case(name, x, targets, weights, penalty):
    model = fit(x, targets, weights, penalty)
    worst = gradient(model, x, targets, weights, penalty)
    assert worst < 1e-8, (name, worst)
    return {
        "name": name,
        "x": x.tolist(),
        "targets": targets.tolist(),
        "weights": weights.tolist(),
        "penalty": penalty,
        "coefficients": model.coef_.tolist(),
        "intercepts": model.intercept_.tolist(),
        "probabilities": model.predict_proba(x).tolist(),
        "objective": objective(model, x, targets, weights, penalty),
    }


def swap_case(name, odd, even, targets, penalty):
    x = np.vstack([np.hstack([odd, even]), np.hstack([-odd, even])])
    both = np.vstack([targets, targets[:, [1, 0, 2]]])
    model = fit(x, both, np.ones(len(x)), penalty)
    n = len(odd)
    return {
        "name": name,
        "odd": odd.tolist(),
        "even": even.tolist(),
        "targets": targets.tolist(),
        "penalty_odd": penalty / 2,
        "penalty_even": 2 * penalty / 3,
        "contrast": (2 * model.coef_[0, : odd.shape[1]]).tolist(),
        "tie": (model.coef_[2, odd.shape[1] :] - model.coef_[0, odd.shape[1] :]).tolist(),
        "tie_intercept": float(model.intercept_[2] - model.intercept_[0]),
        "probabilities": model.predict_proba(x[:n]).tolist(),
    }


n, d = 60, 5
mix = rng.normal(size=(d, d))
x = np.round(rng.normal(size=(n, d)) @ mix, 3)
one_hot = np.eye(3)[labels(x @ rng.normal(size=(d, 3)) * 0.5)]
ones = np.ones(n)
soft = np.round(rng.dirichlet([1, 1, 1], size=n), 3)
soft[:, 2] = 1 - soft[:, 0] - soft[:, 1]
soft = np.clip(soft, 0, 1)
weights = np.round(rng.uniform(0.25, 3, size=n) * 64) / 64
long = x.copy()
long[:, 0] = np.round(np.exp(x[:, 0] / np.abs(x[:, 0]).max() * 2 + 6.5))
constant = x.copy()
constant[:, 1] = 3.0
constant[:, 2] = constant[:, 3]
sparse = np.round(np.where(rng.random((n, d)) < 0.4, rng.random((n, d)), 0.0) * 64) / 64
apart = np.round(np.concatenate([x[:20] + 30, x[20:40] - 30, x[40:] * [1, -1, 1, -1, 1]]), 3)
apart_y = np.eye(3)[np.repeat([0, 1, 2], 20)]

json.dump(
    {
        "cases": [
            case("hard labels", x, one_hot, ones, 0.01),
            case("hard labels, weighted rows", x, one_hot, weights, 0.003),
            case("soft targets, weighted rows", x, soft, weights, 0.01),
            case("a raw length column", long, one_hot, ones, 1e-3),
            case("a constant column and two equal ones", constant, one_hot, ones, 0.01),
            case("sparse", sparse, one_hot, ones, 0.005),
            case("separable", apart, apart_y, ones, 1e-3),
        ],
        "swap": [
            swap_case("hard labels", x[:, :3], np.abs(x[:, 3:]), one_hot, 0.02),
            swap_case("soft targets", x[:, :2], x[:, 2:] ** 2, soft, 0.005),
        ],
    },
    indent=None,
    fp=open(1, "w"),
)
