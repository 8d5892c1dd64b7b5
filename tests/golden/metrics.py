"""Prints tests/golden/metrics.json: the numbers of scikit-learn, SciPy and statsmodels.

Run: python tests/golden/metrics.py > tests/golden/metrics.json
Made with scikit-learn 1.9.1, SciPy 1.17.1, statsmodels 0.15.0, NumPy 2.4.6.
"""
import itertools
import json
import warnings

import numpy as np
import scipy.stats as st
import statsmodels.api as sm
from scipy.special import digamma
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

warnings.simplefilter("ignore")
rng = np.random.default_rng(20)
n = 240
groups = rng.integers(0, 40, n)
logits = rng.normal(0, 1.2, (n, 3)) + rng.normal(0, 0.7, 40)[groups][:, None] * np.array([1, -1, 0])
p = np.exp(logits)
p /= p.sum(1, keepdims=True)
p[0], p[1] = [1, 0, 0], [0, 0.5, 0.5]  # exact zeros and ones
truth = np.exp(0.7 * logits)
truth /= truth.sum(1, keepdims=True)
y = (truth.cumsum(1) > rng.random(n)[:, None]).argmax(1)
y[0] = 1  # said to be impossible, and happened
soft = rng.dirichlet([1, 1, 1], n)
hot = np.eye(3)[y]


def binned(conf, correct, strategy, bins=15):
    """Expected calibration error from scikit-learn's calibration_curve and the sizes of its bins."""
    observed, predicted = calibration_curve(correct, conf, n_bins=bins, strategy=strategy)
    if strategy == "uniform":
        edges = np.linspace(0, 1, bins + 1)
    else:
        edges = np.percentile(conf, np.linspace(0, 1, bins + 1) * 100)
    sizes = np.bincount(np.searchsorted(edges[1:-1], conf), minlength=bins)
    sizes = sizes[sizes > 0]
    return float((sizes * np.abs(observed - predicted)).sum() / len(conf)), sizes, observed, predicted


def soft_log_loss(p, t):
    """The mean loss over votes: scikit-learn's loss with one weighted row a class."""
    rows, labels = np.repeat(p, 3, axis=0), np.tile([0, 1, 2], len(p))
    return float(log_loss(labels, rows, sample_weight=t.ravel(), labels=[0, 1, 2]))


def soft_brier(p, t):
    rows, labels = np.repeat(p, 3, axis=0), np.tile([0, 1, 2], len(p))
    return float(brier_score_loss(labels, rows, sample_weight=t.ravel(), labels=[0, 1, 2], scale_by_half=False))


def smooth_ece(f, y):
    """Blasiok and Nakkiran's definition, by plain quadrature with the reflected Gaussian kernel."""
    t = (np.arange(4000) + 0.5) / 4000

    def at(sigma):
        smoothed = np.zeros_like(t)
        for shift in range(-6, 7):
            for sign in (1, -1):
                centre = 2 * shift + sign * f
                smoothed += (st.norm.pdf(t[:, None], centre[None, :], sigma) * (y - f)[None, :]).mean(1)
        return np.abs(smoothed).mean()

    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle) > middle else (low, middle)
    return float((low + high) / 2)


conf, top = p.max(1), p.argmax(1)
correct = (top == y).astype(float)
keep = np.ones(n, bool)
keep[1] = False  # two classes share the top there: our convention, not scikit-learn's
_, sizes, observed, predicted = binned(conf[keep], correct[keep], "quantile")
debiased = (sizes * ((observed - predicted) ** 2 - observed * (1 - observed) / np.maximum(sizes - 1, 1)))[sizes > 1]
losses = -np.log(np.clip(p, np.finfo(float).eps, 1 - np.finfo(float).eps)[np.arange(n), y])
weights = rng.uniform(0.5, 2, n)
ols = sm.OLS(losses, np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
wls = sm.WLS(losses, np.ones(n), weights=weights).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
other = losses * 0.9 + rng.normal(0, 0.2, n)
pair = sm.OLS(losses - other, np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
decided = y < 2
# Four groups: every one of the 4^4 resamples has the same probability, so the bootstrap has no chance in it.
tiny_values, tiny_groups = [0.3, 1.2, 0.7, 2.0, 0.1, 0.9, 1.5], [0, 0, 1, 2, 2, 2, 3]
sums = np.bincount(tiny_groups, tiny_values)
counts = np.bincount(tiny_groups)
means = np.array([sums[list(i)].sum() / counts[list(i)].sum() for i in itertools.product(range(4), repeat=4)])
scipy_interval = st.bootstrap(
    (losses,), np.mean, n_resamples=200_000, method="percentile", vectorized=True, batch=2000, rng=np.random.default_rng(1)
).confidence_interval
quantiles = [[q, df, float(st.t.ppf(q, df))] for q in (0.975, 0.8, 0.025) for df in (1, 2, 5, 12, 40, 1000)]
votes = [[3, 1, 0], [2, 2, 0], [1, 1, 2], [4, 0, 0], [2, 3, 5]]

print(json.dumps({
    "predictions": p.tolist(), "labels": y.tolist(), "soft": soft.tolist(),
    "groups": groups.tolist(), "weights": weights.tolist(), "other": other.tolist(),
    "log_loss": float(log_loss(y, p, labels=[0, 1, 2])),
    "log_loss_f32": float(log_loss(y, p.astype(np.float32), labels=[0, 1, 2])),
    "log_loss_soft": soft_log_loss(p, soft),
    "brier": float(brier_score_loss(y, p, labels=[0, 1, 2], scale_by_half=False)),
    "brier_soft": soft_brier(p, soft),
    "accuracy_without_row_1": float(accuracy_score(y[keep], top[keep])),
    "auc": float(roc_auc_score(y[decided] == 0, np.log(np.maximum(p[decided, 0], 1e-308)) - np.log(np.maximum(p[decided, 1], 1e-308)))),
    "auc_weighted_tied": float(roc_auc_score([0, 1, 1, 0, 1, 0], [0.1, 0.1, 0.4, 0.4, 0.8, 0.3], sample_weight=[1, 2, 0.5, 1.5, 1, 2])),
    "ece_top_label_without_row_1": binned(conf[keep], correct[keep], "uniform")[0],
    "ece_equal_mass_without_row_1": binned(conf[keep], correct[keep], "quantile")[0],
    "ece_classwise": float(np.mean([binned(p[:, k], hot[:, k], "uniform")[0] for k in range(3)])),
    "debiased_without_row_1": float(np.sqrt(max(0.0, debiased.sum() / keep.sum()))),
    "smooth_without_row_1": smooth_ece(conf[keep], correct[keep]),
    "standard_error": float(ols.bse[0]), "interval": ols.conf_int()[0].tolist(),
    "weighted_mean": float(wls.params[0]), "weighted_standard_error": float(wls.bse[0]),
    "pair_mean": float(pair.params[0]), "pair_standard_error": float(pair.bse[0]), "pair_p_value": float(pair.pvalues[0]),
    "tiny_values": tiny_values, "tiny_groups": tiny_groups,
    "tiny_interval": [float(np.quantile(means, q)) for q in (0.025, 0.975)],
    "scipy_interval": [float(scipy_interval.low), float(scipy_interval.high)],
    "row_standard_error": float(losses.std(ddof=1) / np.sqrt(n)),
    "student_quantiles": quantiles,
    "votes": votes,
    "entropy_of_votes": [float(sum(m / sum(v) * (digamma(sum(v)) - digamma(m)) for m in v if m)) for v in votes],
}))
