"""Does a learning rate tuned at one width serve the others? μP and the standard parametrisation, side by side.

Models of two layers with heads of 16 on the students' half of `stdlib`, supervised, each width at the same rates: the
peak of a cosine, as in every sweep. The base is the smallest width, where both parametrisations are the same model.
For each width the table has the best rate, its loss, and what is lost there by using the base's best rate as it is or
(standard only) in proportion to 1/width.

Runs are added to RESULTS one by one; what is there already is not run again, so the same call resumes. One thread.

    python benchmarks/rate_transfer.py [RESULTS.jsonl] [--plot FILE]
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from fitting.flops import Shape, parameters
from sweeps import corpora, objectives, parametrisation, schedule
from sweeps.models import Transformer

WIDTHS = (32, 64, 128, 256)
BASE = WIDTHS[0]
N_LAYERS, D_HEAD, N_CTX, N_VOCAB = 2, 16, 128, 256
STEPS, WINDOWS = 256, 8
"""Updates of a run and windows in each: 262144 tokens."""
LOG2_RATES = (-4, -5, -6, -7, -8, -9)
WIDE, WIDE_RATES = 128, {"standard": (-5, -6, -7, -8), "mup": (-4, -5, -6, -7)}
"""From this width on only the rates around the best one, which the narrow widths have shown; they cost most."""

SEEDS = {32: (0, 1), 64: (0, 1), 128: (0, 1), 256: (0,)}
WEIGHT_DECAY, CLIP, Z_LOSS, BETAS = 1e-4, 1.0, 1e-4, (0.9, 0.95)
VALIDATION_TOKENS = 65536

Cell = tuple[parametrisation.Parametrisation, int, int, int]
"""Parametrisation, width, log2 of the rate, seed."""


def cells() -> Iterator[Cell]:
    """Every run, narrow ones first; the base counts as standard."""
    for width in WIDTHS:
        for seed in SEEDS[width]:
            for name in ("standard",) if width == BASE else ("standard", "mup"):
                for rate in rates_of(name, width):
                    yield name, width, rate, seed


def rates_of(name: str, width: int) -> tuple[int, ...]:
    return WIDE_RATES[name] if width >= WIDE else LOG2_RATES


def shape_of(width: int) -> Shape:
    return Shape.of_depth(N_LAYERS, aspect=width // N_LAYERS, n_heads=width // D_HEAD, n_vocab=N_VOCAB, n_ctx=N_CTX)


def held_out_loss(cell: Cell, corpus: corpora.Corpus) -> float:
    """Train one model and return its loss in nats per token; infinite where it diverged."""
    name, width, log2_rate, seed = cell
    peak, shape = 2.0**log2_rate, shape_of(width)
    model = Transformer(shape, parametrisation.output_scale(shape, name, BASE))
    parametrisation.initialise(model, seed, name, BASE)
    groups = parametrisation.groups(model, rate=peak, weight_decay=WEIGHT_DECAY, parametrisation=name, base_width=BASE)
    adamw = torch.optim.AdamW(groups, betas=BETAS, fused=True)
    for step in range(STEPS):
        rate = schedule.learning_rate(step, peak=peak, warmup_steps=STEPS, steps=STEPS)
        for group in adamw.param_groups:
            group["lr"] = rate * group["scale"]
        inputs, targets = map(
            torch.from_numpy, corpora.batch(corpus.student, seed=seed, step=step, n_ctx=N_CTX, windows=WINDOWS)
        )
        loss = objectives.objective(
            student_hidden=model(inputs), student_head=model.head, targets=targets, z_loss=Z_LOSS
        ).objective
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        adamw.step()
        adamw.zero_grad()
    inputs, targets = map(torch.from_numpy, corpora.held_out(corpus, n_ctx=N_CTX, tokens=VALIDATION_TOKENS))
    with torch.no_grad():
        total = sum(
            float(objectives.cross_entropy_sum(model(x), model.head, y))
            for x, y in zip(inputs.split(16), targets.split(16), strict=True)
        )
    mean = total / targets.numel()
    return mean if math.isfinite(mean) else math.inf


def finish(results: Path) -> list[dict[str, Any]]:
    """Run what is not there yet and return every run that the study asks for."""
    done = {}
    if results.exists():
        for line in results.read_text().splitlines():
            row = json.loads(line)
            done[row["parametrisation"], row["width"], row["log2_rate"], row["seed"]] = row
    corpus = corpora.load("stdlib")
    for cell in cells():
        if cell in done:
            continue
        start = time.perf_counter()
        loss = held_out_loss(cell, corpus)
        name, width, log2_rate, seed = cell
        row = {"parametrisation": name, "width": width, "log2_rate": log2_rate, "seed": seed, "loss": loss}
        done[cell] = row | {"seconds": time.perf_counter() - start}
        with results.open("a") as file:
            file.write(json.dumps(done[cell]) + "\n")
        print(f"{name:8} width {width:3}  rate 2^{log2_rate}  seed {seed}  {loss:.4f}", flush=True)
    return [done[cell] for cell in cells()]


def curves(rows: list[dict[str, Any]]) -> dict[str, dict[int, dict[int, float]]]:
    """Mean loss over seeds by parametrisation, width and log2 of the rate; the base is part of both."""
    found: dict[str, dict[int, dict[int, float]]] = {}
    for name in ("standard", "mup"):
        for width in WIDTHS:
            label = "standard" if width == BASE else name
            here = [row for row in rows if (row["parametrisation"], row["width"]) == (label, width)]
            found.setdefault(name, {})[width] = {
                rate: sum(row["loss"] for row in here if row["log2_rate"] == rate) / len(SEEDS[width])
                for rate in rates_of(name, width)
            }
    return found


def table(found: dict[str, dict[int, dict[int, float]]]) -> None:
    """Print losses by rate, the best rate of each width, and what the base's costs there."""
    base = min(LOG2_RATES, key=lambda rate: found["standard"][BASE][rate])
    print(f"\n{'':8} width       N  " + " ".join(f"{f'2^{rate}':>7}" for rate in LOG2_RATES), end="")
    print(f"  best   loss  lost at 2^{base}  lost at 1/width of it")
    for name, widths in found.items():
        for width, losses in widths.items():
            best = min(losses, key=lambda rate: losses[rate])
            narrowed = base - round(math.log2(width / BASE))
            print(
                f"{name:8} {width:5} {parameters(shape_of(width)).non_embedding:7}  "
                + " ".join(f"{losses[rate]:7.4f}" if rate in losses else f"{'':7}" for rate in LOG2_RATES)
                + f"  2^{best}  {losses[best]:.4f}  {losses[base] - losses[best]:11.4f}"
                + (f"  {losses[narrowed] - losses[best]:.4f}" if name == "standard" and narrowed in losses else "")
            )


def plot(found: dict[str, dict[int, dict[int, float]]], path: Path) -> None:
    """Loss against rate, a line for each width, a panel for each parametrisation."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, (name, widths) in zip(panels, found.items(), strict=True):
        for i, (width, losses) in enumerate(widths.items()):
            best = min(losses, key=lambda rate: losses[rate])
            panel.plot([2.0**rate for rate in losses], list(losses.values()), "o-", color=f"C{i}", ms=3, label=width)
            panel.plot(2.0**best, losses[best], "o", color=f"C{i}", ms=8, fillstyle="none")
        panel.set_title({"standard": "Standard", "mup": "μP"}[name])
        panel.set_xlabel("Peak learning rate")
        panel.set_xscale("log", base=2)
    panels[0].set_ylabel("Held-out loss, nats per token")
    lowest = [min(losses.values()) for widths in found.values() for losses in widths.values()]
    panels[0].set_ylim(0.98 * min(lowest), 1.15 * max(lowest))  # diverging runs would hide the rest
    figure.legend(*panels[0].get_legend_handles_labels(), title="Width", loc="outside right", frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", type=Path, default=Path("rate_transfer.jsonl"))
    parser.add_argument("--plot", type=Path, metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = curves(finish(options.results))
    table(found)
    if options.plot:
        plot(found, options.plot)


if __name__ == "__main__":
    main()
