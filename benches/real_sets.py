"""Measures a configuration on real preference sets against stored predictions of a peer, on the same folds.

    real_sets.py SETS [--config configs/tabular.toml] [--peer PROGRAM --rounds 3]

SETS holds one folder a set with `train.csv` (Kaggle form), `folds-S.csv` (`id,fold`) and `peer-oof-S.csv` (the peer's
out-of-fold predictions on those folds) for the fold seeds S. Printed is one table: log loss in nats, the mean over the
fold seeds; the paired difference to the peer with a 95 % interval that resamples prompts; all sets pooled by inverse
variance. With PROGRAM, called as `PROGRAM train.csv folds.csv out.csv`, whole processes are timed too, taking turns.
"""
import argparse
import csv
import json
import pathlib
import statistics
import subprocess
import sys

import numpy

from run import ROOT, run

EPSILON = numpy.finfo(numpy.float64).eps
COLUMNS = ("winner_model_a", "winner_model_b", "winner_tie")
RESAMPLES = 10_000


def rows(path):
    csv.field_size_limit(2**31)
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def losses(path, ids, targets):
    """The log loss of every row of a file of predictions, clipped and renormalised as Kaggle does."""
    by_id = {row["id"]: [float(row[name]) for name in COLUMNS] for row in rows(path)}
    predictions = numpy.clip(numpy.array([by_id[key] for key in ids]), EPSILON, 1 - EPSILON)
    predictions /= predictions.sum(axis=1, keepdims=True)
    return -(targets * numpy.log(predictions)).sum(axis=1)


def prior_losses(fold_of_row, targets):
    """The log loss of the class shares of the other folds."""
    result = numpy.empty(len(targets))
    for fold in numpy.unique(fold_of_row):
        held_out = fold_of_row == fold
        result[held_out] = -(targets[held_out] * numpy.log(targets[~held_out].mean(axis=0))).sum(axis=1)
    return result


def difference(values, groups, seed=0):
    """Mean of `values` with its standard error and 95 % interval over resampled groups."""
    names, numbers = numpy.unique(groups, return_inverse=True)
    sums = numpy.bincount(numbers, weights=values)
    sizes = numpy.bincount(numbers).astype(float)
    drawn = numpy.random.default_rng(seed).multinomial(len(names), numpy.full(len(names), 1 / len(names)), size=RESAMPLES)
    means = (drawn @ sums) / (drawn @ sizes)
    return values.mean(), means.std(ddof=1), numpy.quantile(means, [0.025, 0.975])


def train_command(folder, seed, config, work):
    return [ROOT / "target/release/tiebreak", "train", "--config", config, "--train", folder / "train.csv", "--folds",
            folder / f"folds-{seed}.csv", "--run", work / f"{folder.name}-{seed}", "--force", "--quiet", "--json", "--threads", "2"]


def measure(folder, config, work):
    """One set: the figures of its row, each averaged over the fold seeds."""
    battles = rows(folder / "train.csv")
    ids = [row["id"] for row in battles]
    targets = numpy.array([[float(row[name]) for name in COLUMNS] for row in battles])
    groups = numpy.array([row["prompt"] for row in battles])
    ours, peer, prior = [], [], []
    seeds = sorted(path.stem.removeprefix("folds-") for path in folder.glob("folds-*.csv"))
    for seed in seeds:
        subprocess.run([str(part) for part in train_command(folder, seed, config, work)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        fold_of_id = {row["id"]: row["fold"] for row in rows(folder / f"folds-{seed}.csv")}
        ours.append(losses(work / f"{folder.name}-{seed}" / "oof.csv", ids, targets))
        peer.append(losses(folder / f"peer-oof-{seed}.csv", ids, targets))
        prior.append(prior_losses(numpy.array([fold_of_id[key] for key in ids]), targets))
    ours, peer, prior = (numpy.mean(of_seeds, axis=0) for of_seeds in (ours, peer, prior))
    return {
        "set": folder.name, "n": len(ids), "prompts": len(set(groups)), "seeds": len(seeds), "ours": ours.mean(), "peer": peer.mean(),
        "prior": prior.mean(), "to_peer": difference(ours - peer, groups), "to_prior": difference(ours - prior, groups),
    }


def pooled(measured):
    """The differences to the peer, weighted by their inverse variances: mean and 95 % interval."""
    weights = numpy.array([1 / one["to_peer"][1] ** 2 for one in measured])
    mean = (weights * [one["to_peer"][0] for one in measured]).sum() / weights.sum()
    error = weights.sum() ** -0.5
    return mean, error, (mean - 1.959964 * error, mean + 1.959964 * error)


def times(folder, config, work, peer, rounds):
    """Whole-process wall seconds of both programs, taking turns."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(run(train_command(folder, "0", config, work))[0]["wall_seconds"])
        theirs.append(timed_peer([sys.executable, peer, folder / "train.csv", folder / "folds-0.csv", work / "peer.csv"]))
    return ours, theirs


def timed_peer(command):
    """Prints no JSON, so its wall time is taken around a small program that does."""
    program = "import json, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); print(json.dumps({}))"
    return run([sys.executable, "-c", program, *command])[0]["wall_seconds"]


def spread(seconds):
    return f"{statistics.median(seconds):.1f} ({min(seconds):.1f}-{max(seconds):.1f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=pathlib.Path)
    parser.add_argument("--config", default="configs/tabular.toml")
    parser.add_argument("--peer", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append")
    arguments = parser.parse_args()
    work = ROOT / "target" / "bench" / "real-sets"
    work.mkdir(parents=True, exist_ok=True)
    folders = sorted(path.parent for path in arguments.sets.resolve().glob("*/train.csv"))
    folders = [folder for folder in folders if not arguments.only or folder.name in arguments.only]
    measured = [measure(folder, arguments.config, work) for folder in folders]
    print("| set | n | prompts | prior | peer | tiebreak | difference to the peer | difference to the prior |\n|---|---|---|---|---|---|---|---|")
    for one in measured:
        cells = [f"{mean:+.4f} ({low:+.4f} to {high:+.4f})" for mean, _, (low, high) in (one["to_peer"], one["to_prior"])]
        print(f"| {one['set']} | {one['n']} | {one['prompts']} | {one['prior']:.4f} | {one['peer']:.4f} | {one['ours']:.4f} | {' | '.join(cells)} |")
    mean, _, (low, high) = pooled(measured)
    print(f"| pooled | | | | | | {mean:+.4f} ({low:+.4f} to {high:+.4f}) | |")
    if arguments.peer:
        print("\n| set | peer's seconds: median (range) | tiebreak's | ratio |\n|---|---|---|---|")
        for folder in folders:
            ours, theirs = times(folder, arguments.config, work, arguments.peer.resolve(), arguments.rounds)
            print(f"| {folder.name} | {spread(theirs)} | {spread(ours)} | {statistics.median(theirs) / statistics.median(ours):.1f} |", flush=True)


if __name__ == "__main__":
    main()
