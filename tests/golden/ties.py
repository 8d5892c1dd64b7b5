"""Prints ties.json: probabilities and fits of the tie models by SciPy, from the formulas of their papers.

Run: python tests/golden/ties.py > tests/golden/ties.json
"""

import json

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

rng = np.random.default_rng(20240711)
softplus = lambda x: np.logaddexp(0.0, x)


def rao_kupper(a, b, eta):
    win, loss = expit(a - b - eta), expit(b - a - eta)
    return np.stack([win, loss, 1.0 - win - loss], -1)


def davidson(a, b, tie):
    return softmax(np.stack([a, b, tie], -1), -1)


def grounded(a, b, spread):
    """Four outcomes: A, B, good tie, both bad."""
    theta, x, y = 1.0 + np.exp(spread), np.exp(a), np.exp(b)
    win, loss, bad = x / (x + theta * y + 1), y / (y + theta * x + 1), 1 / (1 + x + y)
    return np.stack([win, loss, 1 - win - loss - bad, bad], -1)


def probabilities(model, rewards):
    t = model["temperature"]
    a, b = rewards[:, 0] / t, rewards[:, 1] / t
    s = (rewards.mean(1) - model.get("center", 0.0)) / t
    kind = model["kind"]
    if kind == "rao_kupper":
        return rao_kupper(a, b, model["eta"])
    if kind == "davidson":
        return davidson(a, b, model["ln_nu"] + (a + b) / 2)
    if kind == "quality_davidson":
        c = model["center"] / t
        return davidson(a - c, b - c, model["intercept"] + model["slope"] * s)
    if kind == "quality_rao_kupper":
        return rao_kupper(a, b, softplus(model["intercept"] + model["slope"] * s))
    shift = model["shift"] - model["center"] / t
    four = grounded(a + shift, b + shift, model["spread"])
    return np.concatenate([four[:, :2], four[:, 2:].sum(1, keepdims=True)], 1)


MODELS = [
    {"kind": "rao_kupper", "temperature": 1.7, "eta": 0.65},
    {"kind": "davidson", "temperature": 0.8, "ln_nu": -0.3},
    {"kind": "quality_davidson", "temperature": 1.3, "center": 0.4, "intercept": -0.2, "slope": 1.4},
    {"kind": "quality_rao_kupper", "temperature": 2.1, "center": -0.5, "intercept": 0.1, "slope": 0.3},
    {"kind": "grounded_rao_kupper", "temperature": 1.1, "center": 0.2, "spread": -0.4, "shift": 0.9},
]
REWARDS = rng.normal(0.3, 1.5, size=(12, 2))


def with_parameters(kind, w, center):
    model = {"kind": kind, "temperature": float(np.exp(w[0]))}
    names = {
        "rao_kupper": ["eta"],
        "davidson": ["ln_nu"],
        "quality_davidson": ["intercept", "slope"],
        "quality_rao_kupper": ["intercept", "slope"],
        "grounded_rao_kupper": ["spread", "shift"],
    }[kind]
    model.update(zip(names, map(float, w[1:])))
    if kind == "rao_kupper":
        model["eta"] = float(np.exp(w[1]))
    if len(names) > 1:
        model["center"] = center
    return model


def fitted(kind, rewards, targets):
    """Maximum likelihood with the imaginary votes of the fit, by Nelder-Mead and BFGS."""
    center = float(rewards.mean())
    d, m = rewards[:, 0] - rewards[:, 1], rewards.mean(1) - center
    lead, spread = np.sqrt(np.mean(d**2)), np.sqrt(np.mean(m**2))
    extra = np.array([[lead / 2, -lead / 2], [spread, spread], [-spread, -spread]]) + center
    extra_targets = np.array([[0.5, 0.5, 0.0], [1 / 6] * 3, [1 / 6] * 3])
    all_rewards, all_targets = np.vstack([rewards, extra]), np.vstack([targets, extra_targets])

    def loss(w):
        p = probabilities(with_parameters(kind, w, center), all_rewards)
        beside = 0.0
        if kind == "grounded_rao_kupper":
            good, bad = grounded(np.array(w[2]), np.array(w[2]), w[1])[2:]
            beside = 0.5 * np.log(max(good, 1e-300)) + 0.5 * np.log(max(bad, 1e-300))
        return -np.sum(all_targets * np.log(np.maximum(p, 1e-300))) - beside

    start = [0.0, -0.3] if kind in ("rao_kupper", "davidson") else [0.0, -0.3, 0.5]
    options = {"maxiter": 20000, "maxfev": 20000, "xatol": 1e-11, "fatol": 1e-13}
    best = minimize(loss, start, method="Nelder-Mead", options=options)
    for _ in range(3):
        best = minimize(loss, best.x, method="Nelder-Mead", options=options)
    model = with_parameters(kind, best.x, center)
    real = -np.sum(targets * np.log(probabilities(model, rewards))) / len(rewards)
    return {"model": model, "log_loss": float(real)}


def sample(n, scale, soft):
    rewards = rng.normal(5.0, 1.0, size=(n, 2)) * scale
    truth = rao_kupper(rewards[:, 0] / scale * 0.9, rewards[:, 1] / scale * 0.9, 0.6)
    if soft:
        targets = rng.dirichlet([3, 3, 3], size=n) * 0.4 + truth * 0.6
        targets = targets / targets.sum(1, keepdims=True)
    else:
        targets = np.eye(3)[[rng.choice(3, p=p) for p in truth]]
    return rewards, targets


cases = []
for n, scale, soft in [(60, 1.0, False), (40, 37.0, True)]:
    rewards, targets = sample(n, scale, soft)
    models = [fitted(m["kind"], rewards, targets) for m in MODELS]
    cases.append({"rewards": rewards.tolist(), "targets": targets.tolist(), "fits": models})

print(
    json.dumps(
        {
            "models": [{"model": m, "probabilities": probabilities(m, REWARDS).tolist()} for m in MODELS],
            "rewards": REWARDS.tolist(),
            "cases": cases,
        }
    )
)
