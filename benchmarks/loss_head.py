"""The loss head beside plain autograd, and distillation steps beside supervised ones: `python benchmarks/loss_head.py`.

One thread, float32. Times are CPU time. Every table is one run in which the contenders take turns, so that a busy
machine troubles all alike; a ratio is the median over rounds of the ratio within a round (and the ratio of the
fastest), "over FLOPs" what is left of it when divided by the ratio of FLOPs in the ledger. Memory is the peak
of what torch's allocator hands out (`torch.profiler`) between the inputs being there and the gradients being there,
in logit copies, tokens x V x 4 bytes; with --rss also the growth of a process's resident set, which counts the
matrix library's own buffers too.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or the profiler reports that it starts and stops

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from fitting.flops import Shape, forward
from sweeps.models import Transformer, initialise
from sweeps.objectives import objective
from sweeps.targets import Full, Sampled, Target, TopK

TOKENS, KEPT, DRAWN = 1024, 64, 12
STUDENT = Shape(n_layers=4, d_model=256, d_ffn=688, n_heads=4, n_kv_heads=4, n_vocab=4096, n_ctx=256)
WINDOWS = 8

SAME = {"supervised": "plain cross-entropy", "full": "plain cross-entropy + KL"}
"""Ours and plain autograd's with the same gradients."""

Work = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--vocabularies", type=int, nargs="*", default=[4096, 32000, 128000])
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--chunk", type=int)
    parser.add_argument("--no-steps", action="store_true")
    parser.add_argument("--memory", action="store_true", help="of ours alone, without times")
    parser.add_argument("--rss", action="store_true", help="resident sets of processes of their own, too")
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.alone:
        name, vocabulary, width = arguments.alone
        alone(name, int(vocabulary), int(width))
        return
    for vocabulary in arguments.vocabularies:
        heads(vocabulary, arguments.width, 0 if arguments.memory else arguments.rounds, arguments.chunk, arguments.rss)
    if not arguments.no_steps:
        steps(arguments.rounds)


class Head:
    """Hidden states, heads and targets of one size, and what is done with them."""

    def __init__(self, vocabulary: int, width: int, chunk: int | None = None) -> None:
        generator = torch.Generator().manual_seed(0)

        def draw(*size: int) -> Tensor:
            return torch.randn(size, generator=generator)

        self.hidden = draw(TOKENS, width).requires_grad_()
        self.head = draw(vocabulary, width).mul_(width**-0.5).requires_grad_()
        self.targets = torch.randint(vocabulary, (TOKENS,), generator=generator)
        self.full = Full(draw(TOKENS, width), draw(vocabulary, width).mul_(width**-0.5))
        self.kept, self.drawn = cached(self.full)
        self.chunk = chunk

    def ours(self, teacher: Target | None = None, **settings: object) -> None:
        loss = objective(
            student_hidden=self.hidden,
            student_head=self.head,
            targets=self.targets,
            teacher=teacher,
            chunk=self.chunk,
            **settings,  # type: ignore[arg-type]
        )
        loss.objective.backward()

    def plain(self, lam: float) -> None:
        logits = F.linear(self.hidden, self.head)
        loss = F.cross_entropy(logits, self.targets)
        if lam:
            with torch.no_grad():
                q = F.linear(self.full.hidden, self.full.head).log_softmax(-1)
            kl = F.kl_div(logits.log_softmax(-1), q, log_target=True, reduction="batchmean")
            loss = (1 - lam) * loss + lam * kl
        loss.backward()

    def works(self) -> dict[str, Work]:
        return {
            "plain cross-entropy": lambda: self.plain(0),
            "plain cross-entropy + KL": lambda: self.plain(0.5),
            "supervised": lambda: self.ours(),
            "full": lambda: self.ours(self.full, lam=0.5),
            "full, tau 2": lambda: self.ours(self.full, lam=0.5, tau=2.0),
            "reverse": lambda: self.ours(self.full, lam=0.5, direction="reverse"),
            f"top-{KEPT}": lambda: self.ours(self.kept, lam=0.5),
            f"sampled-{DRAWN}": lambda: self.ours(self.drawn, lam=0.5),
        }

    def forget(self) -> None:
        self.hidden.grad = self.head.grad = None


def cached(full: Full) -> tuple[TopK, Sampled]:
    """What a cache would keep of a teacher, made in parts so that its making costs little memory."""
    top, drawn = [], []
    for start in range(0, len(full.hidden), 64):
        log_q = full.log_probabilities(slice(start, start + 64), 1.0)
        top.append(log_q.topk(KEPT))
        drawn.append(torch.multinomial(log_q.exp(), DRAWN, replacement=True))
    tokens = torch.cat(drawn)
    return (
        TopK(torch.cat([t.indices for t in top]), torch.cat([t.values for t in top])),
        Sampled(tokens, torch.full(tokens.shape, 1 / DRAWN)),
    )


def heads(vocabulary: int, width: int, rounds: int, chunk: int | None, rss: bool) -> None:
    """A table of times and memory; with no rounds, of our memory alone."""
    head = Head(vocabulary, width, chunk)
    works = {name: work for name, work in head.works().items() if rounds or not name.startswith("plain")}
    copy, gradient = TOKENS * vocabulary * 4, vocabulary * width * 4
    print(f"\nLoss head, {TOKENS} tokens, V = {vocabulary}, d = {width}; the head's gradient: {gradient / copy:.2f}")
    print(f"{'':26}{'ms':>8}{'x plain + KL':>14}{'copies':>8}{'less gradient':>15}" + ("  resident" if rss else ""))
    memory, gradients = {}, {}
    for name, work in works.items():
        memory[name] = peak(work) / copy
        if name in SAME.values() or name in SAME:
            gradients[name] = head.hidden.grad, head.head.grad
        head.forget()
    taken = turns(works, rounds if vocabulary < 1e5 else max(2, rounds // 2), head.forget) if rounds else {}
    for name in works:
        line = f"{name:26}{'':22}"
        if taken:
            ratio, _ = ratios(taken, name, "plain cross-entropy + KL")
            line = f"{name:26}{1e3 * statistics.median(taken[name]):8.0f}{ratio:14.2f}"
        line += f"{memory[name]:8.2f}{memory[name] - gradient / copy:15.2f}"
        if rss:
            line += f"{resident(name, vocabulary, width) / copy:10.2f}"
        print(line, flush=True)
    for name, plain in SAME.items() if rounds else ():
        apart = [distance(a, b) for a, b in zip(gradients[name], gradients[plain], strict=True)]
        print(
            f"gradients of {name} and {plain}: apart by {apart[0]:.1e} (hidden), {apart[1]:.1e} (head) of the largest"
        )


def distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def steps(rounds: int) -> None:
    """Whole training steps. What a cache costs to read is not in them; a teacher that runs is."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(STUDENT.n_vocab, (WINDOWS, STUDENT.n_ctx + 1), generator=generator)
    inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
    student = Transformer(STUDENT)
    initialise(student, 0)
    adamw = torch.optim.AdamW(student.parameters(), lr=1e-4, fused=True)

    def step(ask: Callable[[], Target | None], lam: float) -> Work:
        def work() -> None:
            teacher = ask()
            loss = objective(
                student_hidden=student(inputs),
                student_head=student.head,
                targets=targets,
                teacher=teacher,
                lam=lam,
                z_loss=1e-4,
            )
            loss.objective.backward()
            adamw.step()
            adamw.zero_grad()

        return work

    def online(model: Transformer) -> Callable[[], Target]:
        def ask() -> Target:
            with torch.no_grad():
                return Full(model(inputs).flatten(0, -2), model.head)

        return ask

    works, expected = {"supervised": step(lambda: None, 0.0)}, {"supervised": 1.0}
    for times in (0.5, 1.0, 4.0):
        shape = teacher_of(times)
        model = Transformer(shape)
        initialise(model, 1)
        name = f"teacher of {forward(shape).total / forward(STUDENT).total:.2f}x"
        works[name] = step(online(model), 1.0)
        expected[name] = 1 + forward(shape).total / (3 * forward(STUDENT).total)
        if times == 1:
            kept, drawn = cached(online(model)())  # type: ignore[arg-type]
            works[name + ", lambda 0.5"], expected[name + ", lambda 0.5"] = step(online(model), 0.5), expected[name]
    works[f"top-{KEPT}"], expected[f"top-{KEPT}"] = step(lambda: kept, 1.0), 1.0
    works[f"sampled-{DRAWN}"], expected[f"sampled-{DRAWN}"] = step(lambda: drawn, 1.0), 1.0
    for work in works.values():
        work()
    taken = turns(works, 2 * rounds)
    size = f"{WINDOWS * STUDENT.n_ctx} tokens, V = {STUDENT.n_vocab}, d = {STUDENT.d_model}"
    print(f"\nSteps, {size}, AdamW; ratios to supervised")
    print(f"{'':30}{'ms':>8}{'ratio':>8}{'(fastest)':>11}{'FLOPs':>8}{'over FLOPs':>12}{'(fastest)':>11}")
    for name in works:
        ratio, fastest = ratios(taken, name, "supervised")
        line = f"{name:30}{1e3 * statistics.median(taken[name]):8.0f}{ratio:8.3f}{fastest:11.3f}{expected[name]:8.3f}"
        print(line + f"{ratio / expected[name]:12.3f}{fastest / expected[name]:11.3f}")


def teacher_of(times: float) -> Shape:
    """The shape of the student's depth whose forward pass is nearest to `times` the student's."""
    shapes = [replace(STUDENT, d_model=d, d_ffn=-(-d * 8 // 3 // 8) * 8) for d in range(64, 1025, 16)]
    return min(shapes, key=lambda shape: abs(forward(shape).total / forward(STUDENT).total - times))


def turns(works: dict[str, Work], rounds: int, after: Work = lambda: None) -> dict[str, list[float]]:
    """Seconds of every work in every round; each has been done once before."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.process_time()
            work()
            taken[name].append(time.process_time() - start)
            after()
    return taken


def ratios(taken: dict[str, list[float]], name: str, base: str) -> tuple[float, float]:
    """The median of ratios within rounds, and the ratio of the fastest."""
    paired = [a / b for a, b in zip(taken[name], taken[base], strict=True)]
    return statistics.median(paired), min(taken[name]) / min(taken[base])


def peak(work: Work) -> int:
    """Bytes that torch's allocator has handed out and not got back, at their most during `work`."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def resident(name: str, vocabulary: int, width: int) -> int:
    command = [sys.executable, __file__, "--alone", name, str(vocabulary), str(width)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def alone(name: str, vocabulary: int, width: int) -> None:
    """The growth of this process's peak resident set; a little work first, so that libraries are loaded."""
    small = Head(256, 32)
    small.works()[name]()
    head = Head(vocabulary, width)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    head.works()[name]()
    print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))


if __name__ == "__main__":
    main()
