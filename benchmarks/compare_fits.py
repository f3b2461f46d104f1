"""Fits and bootstraps beside other packages', in one run: `python benchmarks/compare_fits.py [--quick | --full]`.

Simulated runs of a Chinchilla-like law with 0.5 % noise; everyone's coefficients are judged by one objective. Each
contender has a process of its own, so that memory and compilation are its own. Who is slow does a part of the work,
and its time is scaled up to the whole; the table says so. Whole commands are timed from a cold start.
"""

import argparse
import contextlib
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Nothing heavy up here: a process inherits the peak memory of the one that starts it.

RESAMPLES, DRAWS = 4000, 1000
WORKS = {
    "grid": ("one fit, 250 runs", ("ours", "scipy_grid", "chinchilla_pkg", "simple_scaling_laws_pkg")),
    "bootstrap": (
        f"{RESAMPLES} resamples, 240 runs",
        (
            "ours",
            "scipy_bootstrap",
            "scipy_least_squares",
            "optimistix_bootstrap",
            "jaxopt_bootstrap",
            "chinchilla_pkg",
            "simple_scaling_laws_pkg",
        ),
    ),
}
COMMANDS = {
    f"cold command, 240 runs, {RESAMPLES} resamples": (
        "supervised.csv",
        ["--fix", "gamma=1", "--bootstrap", str(RESAMPLES), "--json"],
    ),
    f"cold command, 72 and 448 runs, {DRAWS} draws": ("distilled.csv", ["--bootstrap", str(DRAWS), "--json"]),
}
NOTABLE = 1e-6
"""Relative differences of the objective below this are nobody's merit."""


def main() -> None:
    arguments = _arguments()
    if arguments.prepare:
        _prepare(Path(arguments.prepare))
        return
    if arguments.contender:
        _contend(arguments)
        return
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run([sys.executable, __file__, "--prepare", name], check=True)
        for work, (label, contenders) in WORKS.items():
            for contender in contenders:
                sys.stderr.write(f"{label}: {contender}\n")
                rows.append({"work": label, "who": contender} | _contest(work, contender, folder, arguments))
        for label, (runs, flags) in COMMANDS.items():
            sys.stderr.write(f"{label}\n")
            rows.append({"work": label, "who": "distillaw"} | _command(folder / runs, flags))
    for label in dict.fromkeys(row["work"] for row in rows):
        _judge([row for row in rows if row["work"] == label])
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")
    _show(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--quick", action="store_true", help="smaller parts of the slow contenders' work")
    amount.add_argument("--full", action="store_true", help="all of everyone's work")
    parser.add_argument("--json", metavar="FILE", help="write the measurements, with every objective")
    for hidden in ("--prepare", "--contender", "--work", "--points"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    return parser.parse_args()


def _prepare(folder: Path) -> None:
    """Write the tables, the resamples, and the full fit's optimum from which each resample starts."""
    import numpy as np
    from rivals.scipy_bootstrap import bootstrap

    from fitting.flops import SIX_ND_TOTAL
    from fitting.published import BESIROGLU2024_LAW, BUSBRIDGE2025_LAW
    from fitting.records import RunRecord, RunTable

    law = BESIROGLU2024_LAW.supervised
    truth = np.array([law.A, law.B, law.E, law.alpha, law.beta])
    for work, sizes, tokens in (("grid", 25, 10), ("bootstrap", 16, 15)):
        rng = np.random.default_rng(0)
        N = np.repeat(np.geomspace(1e8, 1e10, sizes), tokens)
        D = np.tile(np.geomspace(2e9, 5e11, tokens), sizes)
        loss = law.loss(N, D) * np.exp(0.005 * rng.standard_normal(len(N)))
        weights = rng.multinomial(len(N), np.full(len(N), 1 / len(N)), size=RESAMPLES).astype(float)
        start = bootstrap(N, D, loss, np.ones((1, len(N))), truth)[0]
        np.savez(folder / f"{work}.npz", N=N, D=D, loss=loss, weights=weights, start=start)
    rows = zip(N.tolist(), D.tolist(), loss.tolist(), strict=True)
    runs = (RunRecord(f"r{i}", "supervised", *row) for i, row in enumerate(rows))
    RunTable(tuple(runs), SIX_ND_TOTAL).write(folder / "supervised.csv")
    RunTable(tuple(_distillation_runs()), BUSBRIDGE2025_LAW.convention).write(folder / "distilled.csv")


def _distillation_runs():
    """72 supervised and 448 distilled runs, with 0.5 % noise."""
    import numpy as np

    from fitting.published import BUSBRIDGE2025_LAW
    from fitting.records import RunRecord

    law = BUSBRIDGE2025_LAW.require_distillation()
    rng = np.random.default_rng(1)
    for N in np.geomspace(1e8, 1e10, 9).tolist():
        for D in np.geomspace(2e9, 5e11, 8).tolist():
            loss = float(law.supervised.loss(N, D) * np.exp(0.005 * rng.standard_normal()))
            yield RunRecord(f"s-{N:g}-{D:g}", "supervised", N, D, loss)
    for N in np.geomspace(1.4e8, 8e9, 8).tolist():
        for D in np.geomspace(4e9, 5e11, 8).tolist():
            for L_T in (1.95, 2.05, 2.15, 2.3, 2.45, 2.6, 2.8):
                loss = float(law.loss(N, D, L_T) * np.exp(0.005 * rng.standard_normal()))
                yield RunRecord(f"d-{N:g}-{D:g}-{L_T}", "distillation", N, D, loss, teacher_loss=L_T)


def _contend(arguments: argparse.Namespace) -> None:
    """One contender's work, in this process; the measurements as a line of JSON."""
    import numpy as np

    with contextlib.redirect_stdout(sys.stderr):
        found = _measure(arguments, {**np.load(arguments.points)})
    sys.stdout.write(json.dumps(found) + "\n")


def _measure(arguments: argparse.Namespace, points: dict) -> dict:
    try:
        rival = importlib.import_module(f"rivals.{arguments.contender}")
    except ModuleNotFoundError as error:
        return {"note": f"not installed: {error.name}"}
    weights, start = points.pop("weights"), points.pop("start")
    compiles = getattr(rival, "COMPILES", False)
    if arguments.work == "grid":
        part = 1.0 if arguments.full else rival.SHARE / (4 if arguments.quick and rival.SHARE < 1 else 1)
        task = lambda: rival.grid(**points, share=part)  # noqa: E731
    else:
        few = (500 if compiles else 40) if arguments.quick and rival.SAMPLE < RESAMPLES else rival.SAMPLE
        weights = weights if arguments.full else weights[:few]
        task = lambda: (rival.bootstrap(**points, weights=weights, start=start), len(weights) / RESAMPLES)  # noqa: E731
    first, (coefficients, share) = _timed(task)
    cpu, wall = first
    if compiles:
        (cpu, wall), _ = _timed(task)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

    from rivals.objective import objective

    found = {
        "who": rival.name,
        "cpu_s": cpu / share,
        "wall_s": wall / share,
        "compile_cpu_s": max(0.0, first[0] - cpu),
        "share": share,
        "peak_mib": peak / 1024,
    }
    if getattr(rival, "OWN_RESAMPLES", False) and arguments.work == "bootstrap":
        return found | {"note": "resamples of its own"}
    judged = objective(coefficients, **points, weights=1.0 if arguments.work == "grid" else weights)
    return found | {"objectives": judged.tolist()}


def _timed(task):
    """(CPU seconds with threads and children, wall seconds) and what the task returns."""
    cpu, wall = _cpu(), time.perf_counter()
    found = task()
    return (_cpu() - cpu, time.perf_counter() - wall), found


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _contest(work: str, contender: str, folder: Path, arguments: argparse.Namespace) -> dict:
    command = [sys.executable, __file__, "--contender", contender, "--work", work]
    command += ["--points", str(folder / f"{work}.npz")]
    command += [flag for flag in ("--quick", "--full") if getattr(arguments, flag[2:])]
    done, _ = _run(command)
    if done.returncode:
        return {"note": _complaint(done)}
    return json.loads(done.stdout.splitlines()[-1])


def _command(runs: Path, flags: list[str]) -> dict:
    start = time.perf_counter()
    done, used = _run([sys.executable, "-c", "from planner.cli import main; main()", "fit", str(runs), *flags])
    wall = time.perf_counter() - start
    if done.returncode:
        return {"note": _complaint(done)}
    return {"cpu_s": used.ru_utime + used.ru_stime, "wall_s": wall, "share": 1.0, "peak_mib": used.ru_maxrss / 1024}


def _run(command: list[str], *, check: bool = False):
    """A process and what it used, its own children's use with it."""
    environment = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"} | os.environ
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read())
    done = subprocess.CompletedProcess(command, process.returncode, *texts)
    if check and done.returncode:
        raise SystemExit(done.stderr)
    return done, used


def _complaint(done) -> str:
    lines = [line.strip(" │╰╯─╭╮") for line in done.stderr.splitlines()]
    return "failed: " + next((line for line in reversed(lines) if line), f"exit {done.returncode}")


def _judge(rows: list[dict]) -> None:
    """Excess over the best found, and who beats whom, from objectives of the same resamples (or starts)."""
    import numpy as np

    ours = rows[0]
    resampled = rows[0]["work"] == WORKS["bootstrap"][0]
    judged = [row for row in rows if "objectives" in row]
    if judged and not resampled:
        best = min(min(row["objectives"]) for row in judged)
        for row in judged:
            row["reached"] = float(np.mean(np.array(row["objectives"]) <= best * (1 + NOTABLE)))
            row["median_excess"] = row["max_excess"] = min(row["objectives"]) / best - 1
    elif judged:
        best = np.full(RESAMPLES, np.inf)
        for row in judged:
            count = len(row["objectives"])
            best[:count] = np.minimum(best[:count], row["objectives"])
        for row in judged:
            mine = np.array(row["objectives"])
            excess = mine / best[: len(mine)] - 1
            row["median_excess"], row["max_excess"] = float(np.median(excess)), float(excess.max())
            if row is not ours and "objectives" in ours:
                theirs = np.array(ours["objectives"])[: len(mine)]
                mine = mine[: len(theirs)]
                row["worse_than_ours"] = float(np.mean(mine > theirs * (1 + NOTABLE)))
                row["better_than_ours"] = float(np.mean(mine < theirs * (1 - NOTABLE)))
    for row in rows:
        if "cpu_s" in row and "cpu_s" in ours:
            row["ratio_to_ours"] = row["cpu_s"] / ours["cpu_s"]


COLUMNS = {
    "who": ("who", "{}"),
    "CPU s": ("cpu_s", "{:.2f}"),
    "wall s": ("wall_s", "{:.2f}"),
    "compiling": ("compile_cpu_s", "{:.2f}"),
    "CPU/ours": ("ratio_to_ours", "{:.2g}"),
    "MiB": ("peak_mib", "{:.0f}"),
    "excess": ("median_excess", "{:.0e}"),
    "largest": ("max_excess", "{:.0e}"),
    "worse": ("worse_than_ours", "{:.1%}"),
    "better": ("better_than_ours", "{:.1%}"),
}


def _show(rows: list[dict]) -> None:
    head = [*COLUMNS, ""]
    for label in dict.fromkeys(row["work"] for row in rows):
        cells = [
            [form.format(row[key]) if key in row else "-" for key, form in COLUMNS.values()] + [_note(row)]
            for row in rows
            if row["work"] == label
        ]
        widths = [max(len(line[i]) for line in [head, *cells]) for i in range(len(head))]
        sys.stdout.write(f"\n{label}\n")
        for line in [head, *cells]:
            padded = [
                line[0].ljust(widths[0]),
                *(cell.rjust(at) for cell, at in zip(line[1:-1], widths[1:-1], strict=True)),
            ]
            sys.stdout.write("  ".join([*padded, line[-1]]).rstrip() + "\n")
    sys.stdout.write(
        "\nCPU s: threads and children too, without compiling. excess: of the objective over the best found,\n"
        f"relative, median and largest. worse, better: share of resamples that differ from ours by over {NOTABLE:g}.\n"
    )


def _note(row: dict) -> str:
    notes = [row["note"]] if "note" in row else []
    if row.get("share", 1.0) < 1:
        notes.append(f"scaled from {row['share']:.3g} of the work")
    if "reached" in row and len(row["objectives"]) > 1:
        notes.append(f"{row['reached']:.1%} of {len(row['objectives'])} starts reach the best")
    return "; ".join(notes)


if __name__ == "__main__":
    main()
