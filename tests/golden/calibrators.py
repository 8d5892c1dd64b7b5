"""Prints tests/golden/calibrators.json: fits of scikit-learn, and of SciPy on the penalised objectives.

Run: python tests/golden/calibrators.py > tests/golden/calibrators.json
Made with scikit-learn 1.9.1, SciPy 1.17.1, NumPy 2.4.6.
"""
import json
import warnings

import numpy as np
import scipy.stats as st
from scipy.optimize import minimize, minimize_scalar
from scipy.special import logsumexp
from sklearn.calibration import _TemperatureScaling
from sklearn.isotonic import IsotonicRegression

warnings.simplefilter("ignore")
rng = np.random.default_rng(7)
n, n_groups = 400, 60
groups = rng.integers(0, n_groups, n)
n_groups = len(set(groups.tolist()))
z = rng.normal(0, 1.5, (n, 3))
p = np.exp(z - logsumexp(z, axis=1, keepdims=True))
q = 0.6 * z + np.array([0.25, 0, -0.3])
q = np.exp(q - logsumexp(q, axis=1, keepdims=True))
y = (q.cumsum(1) > rng.random(n)[:, None]).argmax(1)
hot = np.eye(3)[y]
soft = 0.5 * hot + 0.5 * q
lp = np.log(p)
contrast, tie = lp[:, 0] - lp[:, 1], lp[:, 2] - (lp[:, 0] + lp[:, 1]) / 2
centred = lp - lp.mean(1, keepdims=True)


def loss(u, t=hot):
    return -(t * (u - logsumexp(u, axis=1, keepdims=True))).sum(1).mean()


def coordinates(c, d):
    return np.stack([c / 2, -c / 2, d], 1)


def fit(objective, start):
    best = minimize(objective, start, method="BFGS", options={"gtol": 1e-10, "maxiter": 10_000})
    return minimize(objective, best.x, method="Nelder-Mead", options={"xatol": 1e-11, "fatol": 1e-15, "maxiter": 20_000, "maxfev": 40_000, "adaptive": True})


def penalised(u_of, penalty):
    return lambda theta: loss(u_of(theta)) + penalty(theta)


sym_u = lambda t: coordinates(t[0] * contrast, t[1] * tie + t[2])
sym = fit(penalised(sym_u, lambda t: ((t[0] - 1) ** 2 + (t[1] - 1) ** 2 + t[2] ** 2) / (2 * n_groups)), [1, 1, 0])
vec_u = lambda t: centred * t[:3] + t[3:]
vec = fit(penalised(vec_u, lambda t: (((t[:3] - 1) ** 2).sum() + (t[3:] ** 2).sum()) / (2 * n_groups)), [1, 1, 1, 0, 0, 0])
mat_u = lambda t: centred @ t[:9].reshape(3, 3).T + t[9:]
off = ~np.eye(3, dtype=bool)


def sms(t):
    w, b = t[:9].reshape(3, 3), t[9:]
    return 3 / n_groups * ((b**2).sum() + ((np.diag(w) - 1) ** 2).sum()) + 6 / n_groups * (w[off] ** 2).sum()


mat = fit(penalised(mat_u, sms), list(np.eye(3).ravel()) + [0, 0, 0])
free_sym = fit(lambda t: loss(sym_u(t)), [1, 1, 0])
full_u = lambda t: coordinates(t[0] + t[1] * contrast + t[2] * tie, t[3] + t[4] * contrast + t[5] * tie)
full = fit(lambda t: loss(full_u(t)), [0, 1, 0, 0, 0, 1])
statistic = 2 * n * (free_sym.fun - full.fun)

# The clustered test: efficient scores at the symmetric fit, summed by group, Hotelling's T squared.
u = sym_u(free_sym.x)
r = np.exp(u - logsumexp(u, axis=1, keepdims=True))
features = np.stack([np.ones(n), contrast, tie], 1)
slopes = np.stack([(r[:, 0] - r[:, 1] - hot[:, 0] + hot[:, 1]) / 2, r[:, 2] - hot[:, 2]], 1)
score = np.concatenate([slopes[:, :1] * features, slopes[:, 1:] * features], 1)
basis = np.array([[0.5, -0.5, 0], [0, 0, 1.0]])
hessian = np.zeros((6, 6))
for i in range(n):
    cov = basis @ (np.diag(r[i]) - np.outer(r[i], r[i])) @ basis.T
    hessian += np.kron(cov, np.outer(features[i], features[i]))
kept, tested = [1, 3, 5], [0, 2, 4]
effective = score[:, tested] - score[:, kept] @ np.linalg.solve(hessian[np.ix_(kept, kept)], hessian[np.ix_(kept, tested)])
by_group = np.array([effective[groups == g].sum(0) for g in sorted(set(groups.tolist()))])
mean = by_group.mean(0)
t2 = n_groups * mean @ np.linalg.solve(np.cov(by_group.T), mean)
clustered_p = st.f.sf((n_groups - 3) / (3 * (n_groups - 1)) * t2, 3, n_groups - 3)

soft_fit = minimize_scalar(lambda b: loss(np.exp(b) * lp, soft), bounds=(-5, 5), method="bounded", options={"xatol": 1e-14})
iso = [IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(p[:, k], hot[:, k]) for k in range(3)]
grid = np.linspace(0, 1, 41)

# Blend weights: three members, the Dirichlet pull of `pull / G`.
members = [p, np.exp(0.8 * np.roll(lp, 1, axis=0)), np.exp(0.5 * lp + rng.normal(0, 0.7, (n, 3)))]
members = np.stack([m / m.sum(1, keepdims=True) for m in members])


def weights(pooling, pull):
    def objective(theta):
        w = np.exp(theta - logsumexp(theta))
        if pooling == "arithmetic":
            value = -(hot * np.log(np.einsum("k,knc->nc", w, members))).sum(1).mean()
        else:
            value = loss(np.einsum("k,knc->nc", w, np.log(members)))
        return value - pull / n_groups * np.log(w).mean()

    theta = fit(objective, np.zeros(3)).x
    return np.exp(theta - logsumexp(theta)).tolist()


print(json.dumps({
    "predictions": p.tolist(), "labels": y.tolist(), "soft": soft.tolist(), "groups": groups.tolist(),
    "temperature": float(1 / _TemperatureScaling().fit(p, y).beta_),
    "temperature_soft": float(np.exp(-soft_fit.x)),
    "symmetric": {"parameters": sym.x.tolist(), "loss": float(loss(sym_u(sym.x)))},
    "vector": {"factors": vec.x[:3].tolist(), "loss": float(loss(vec_u(vec.x)))},
    "structured_matrix": {"matrix": mat.x[:9].reshape(3, 3).tolist(), "loss": float(loss(mat_u(mat.x)))},
    "likelihood_ratio": float(statistic), "likelihood_ratio_p": float(st.chi2.sf(statistic, 3)),
    "clustered_p": float(clustered_p),
    "grid": grid.tolist(), "isotonic": [i.predict(grid).tolist() for i in iso],
    "members": members.transpose(1, 0, 2).tolist(),
    "weights_arithmetic": weights("arithmetic", 10.0), "weights_geometric": weights("geometric", 1.0),
}))
