"""What a cache of logits costs, on disk and in time: `python benchmarks/logit_cache.py [--model MODEL.gguf]`.

A teacher is trained for a few steps on BPE tokens of Python's own library, so that it has likely and unlikely tokens;
then caches of it are built and read step by step, and a supervised step of a student of its size stands beside. One
thread, float32. With --model, a GGUF file or a Hugging Face folder takes the place of that teacher, for two steps.
"""

import argparse
import statistics
import sysconfig
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fitting.flops import Shape
from sweeps.corpora.tokenizer import train
from sweeps.models import Transformer, initialise
from sweeps.objectives import objective
from sweeps.targets import Sampled
from sweeps.teachers import huggingface
from sweeps.teachers.cache import Cached, Key
from sweeps.teachers.source import Teacher
from sweeps.teachers.trained import Trained

SHAPE = Shape(n_layers=4, d_model=256, d_ffn=688, n_heads=4, n_kv_heads=4, n_vocab=4096, n_ctx=256)
WINDOWS = 8
SIGNALS = (("top-k", 64), ("sampled", 12), ("sampled", 50))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=32, help="steps in each cache")
    parser.add_argument("--training", type=int, default=100, help="steps that the teacher is trained for")
    parser.add_argument("--model", type=Path, help="GGUF file or Hugging Face folder")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    texts = [path.read_bytes() for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))]
    if arguments.model is None:
        ours(texts, arguments.steps, arguments.training)
    else:
        theirs(arguments.model, texts, min(arguments.steps, 2))


def ours(texts: list[bytes], steps: int, training: int) -> None:
    tokenizer = train(texts, SHAPE.n_vocab)
    tokens = torch.from_numpy(np.concatenate(tokenizer.encode(texts)).astype(np.int64))
    model = Transformer(SHAPE)
    initialise(model, 0)
    supervised, loss = fit(model, tokens, training)
    teacher, inputs = Trained(model), partial(batch, tokens)
    forward = rate(lambda step: teacher.distribution(inputs(step)), steps)
    print(f"V = {SHAPE.n_vocab}, {batch(tokens, 0).numel()} tokens a step; teacher at {loss:.2f} nats/token")
    print(f"supervised step of its size {supervised * 1e3:.0f} ms; its forward pass {forward:.0f} tokens/s")
    table(teacher, inputs, steps, supervised)


def theirs(path: Path, texts: list[bytes], steps: int) -> None:
    teacher = huggingface.load(path, n_ctx=SHAPE.n_ctx)
    assert teacher.tokenizer is not None
    print(f"{path.name}: N = {teacher.N / 1e6:.1f}M, {teacher.forward_flops:.3g} FLOPs/token ({teacher.priced})")
    largest = sorted(texts, key=len)[-40::2]
    tokens = torch.from_numpy(
        np.concatenate(teacher.tokenizer.encode([text[:8000] for text in largest])).astype(np.int64)
    )
    nats, masses = [], []
    for step in range(steps):
        inputs, targets = batch(tokens, step), batch(tokens, step, shift=1).flatten()
        log_p = teacher.distribution(inputs).log_probabilities(slice(None), 1.0)
        nats.append(float(-log_p.gather(-1, targets[:, None]).mean()))
        masses.append([float(log_p.exp().topk(k).values.sum(-1).mean()) for k in (8, 64, 256)])
    mass = ", ".join(f"{k}: {value:.2f}" for k, value in zip((8, 64, 256), np.mean(masses, axis=0), strict=True))
    print(
        f"V = {teacher.n_vocab}; {np.mean(nats):.2f} nats/token on {steps * targets.numel()} tokens; top-k mass {mass}"
    )
    table(teacher, partial(batch, tokens), steps, None)


def table(teacher: Teacher, inputs: Callable[[int], Tensor], steps: int, supervised: float | None) -> None:
    """Build and read a cache of each signal; a column a line of the table."""
    print("signal      kept  distinct  bytes/token  uncompressed  build tokens/s  read ms/step  of a supervised step")
    batch_tokens = inputs(0).numel()
    for kind, kept in SIGNALS:
        key = Key(teacher.digest, "", "", "student", 0, SHAPE.n_ctx, batch_tokens, teacher.n_vocab, 1.0, kind, kept)  # type: ignore[arg-type]
        with tempfile.TemporaryDirectory() as folder:
            wanted = np.ones(steps, dtype=bool)
            source = Cached(Path(folder), key, inputs_of=inputs, wanted=wanted, teacher=lambda: teacher)
            began = time.perf_counter()
            for step in range(steps):
                source.target(step, inputs(step))
            build = steps * batch_tokens / (time.perf_counter() - began)
            reads = []
            for _ in range(5):
                again = Cached(Path(folder), key, inputs_of=inputs, wanted=wanted)
                batches = [inputs(step) for step in range(steps)]
                began = time.perf_counter()
                targets = [again.target(step, batches[step]) for step in range(steps)]
                reads.append((time.perf_counter() - began) / steps)
            held, read = source.contents(), statistics.median(reads)
        used = [t.weights if isinstance(t, Sampled) else t.log_probabilities for t in targets]
        distinct = statistics.mean(float((values != 0).sum(-1, dtype=torch.float32).mean()) for values in used)
        raw = kept * (2 + (2 if kind == "top-k" else 1))
        share = "" if supervised is None else f"{100 * read / supervised:18.1f} %"
        size = held.bytes / held.tokens
        print(f"{kind:10} {kept:5} {distinct:9.1f} {size:12.1f} {raw:12} {build:15.0f} {read * 1e3:13.2f}  {share}")


def fit(model: Transformer, tokens: Tensor, steps: int) -> tuple[float, float]:
    """Train for some steps: seconds of a step, and the loss of the last."""
    adamw = torch.optim.AdamW(model.parameters(), lr=2e-3, fused=True)
    times, last = [], float("nan")
    for step in range(steps):
        began = time.perf_counter()
        inputs, targets = batch(tokens, 1000 + step), batch(tokens, 1000 + step, shift=1)
        loss = objective(student_hidden=model(inputs), student_head=model.head, targets=targets)
        loss.objective.backward()
        adamw.step()
        adamw.zero_grad()
        times.append(time.perf_counter() - began)
        last = float(loss.cross_entropy)
    return statistics.median(times), last


def batch(tokens: Tensor, step: int, shift: int = 0) -> Tensor:
    """Windows (WINDOWS, n_ctx) that a step reads, or what follows them."""
    windows = (len(tokens) - 1) // SHAPE.n_ctx
    chosen = np.random.default_rng(step // windows).permutation(windows)
    first = step * WINDOWS % (windows - WINDOWS)
    return torch.stack(
        [tokens[i * SHAPE.n_ctx + shift :][: SHAPE.n_ctx] for i in chosen[first : first + WINDOWS].tolist()]
    )


def rate(work: Callable[[int], object], steps: int) -> float:
    """Tokens a second of some work on a batch, the median over steps."""
    times = []
    for step in range(steps):
        began = time.perf_counter()
        work(step)
        times.append(time.perf_counter() - began)
    return WINDOWS * SHAPE.n_ctx / statistics.median(times)


if __name__ == "__main__":
    main()
