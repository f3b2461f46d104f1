"""How sure a plan is, by the joint draws of a fitted law: intervals, who wins, and the regret of deciding now.

What a plan fixes is what its owner can fix. Where the teacher is trained for it, N_T, D_T and D_S: L_T is then what
each draw makes of that teacher. Where the teacher exists, N_T, L_T and D_S: its cross-entropy can be measured.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fitting import intervals
from fitting.fit import Fit
from fitting.known import KnownLaw, Range
from fitting.laws import DistillationLaw
from planner import sizes
from planner.allocation import optimum
from planner.plans import Certainty, Plan, Regret, verdict_of
from planner.problems import Problems
from planner.scenarios import Charges, Limits
from planner.search import Floats

POINTS = 129
"""Points of the grid on which each draw's basins are told apart."""


class Prediction(NamedTuple):
    """A predicted cross-entropy: by the law, by each draw (shape (draws,)), and on log L what comes beside the draws.

    `drift` and `growth` are those of predictions beyond the runs, `noise` the standard deviation of a run there;
    `scale` multiplies the spread of the draws, as it does in `fitting.intervals`.
    """

    loss: float
    drawn: Floats
    drift: float
    growth: float
    noise: float
    scale: float

    def interval(self, half_widths: float) -> Range:
        """The ends between which a run should come to lie; they always hold the prediction itself."""
        spread = float(np.mean((np.log(self.drawn) - np.log(self.loss)) ** 2))
        half = half_widths * np.sqrt(spread * self.scale**2 + self.noise**2 + self.growth**2)
        centre = np.log(self.loss) + self.drift
        return min(float(np.exp(centre - half)), self.loss), max(float(np.exp(centre + half)), self.loss)


def with_certainty(
    law: KnownLaw, plan: Plan, limits: Limits | None, level: float, *, regret: bool, by_law: bool = False
) -> Plan:
    """The plan with intervals, a verdict held against the interval of its margin, and its regret if asked for.

    `by_law` says that the cross-entropy of a named teacher is the law's prediction, not a measurement.
    """
    fit, draws = law.fitted, _draws(law)
    student, alone_ = _distilled(law, plan, by_law), directly(law, plan.supervised.N, plan.supervised.D)
    half = intervals.quantile(level, fit)
    margin = margin_between(student, alone_, half)
    wins = float(np.mean(alone_.drawn > student.drawn))
    losses = _regret(law, plan, limits, draws, student, alone_) if regret else None
    scale = scale_of(plan.margin, margin)
    return replace(
        plan,
        student=replace(plan.student, interval=student.interval(half)),
        supervised=replace(plan.supervised, interval=alone_.interval(_half_alone(fit, level))),
        verdict=verdict_of(plan.margin, scale),
        margin_scale=scale,
        margin_basis="interval",
        certainty=Certainty(len(draws.A), level, margin, wins, losses),
    )


def scale_of(margin: float, interval: Range) -> float:
    """What a margin is held against: how far its interval reaches from it towards 0 and beyond."""
    return margin - interval[0] if margin > 0 else interval[1] - margin


def alone(law: KnownLaw, N_S: float, D: float, level: float) -> Range:
    """The interval of a student trained directly."""
    return directly(law, N_S, D).interval(_half_alone(law.fitted, level))


def directly(law: KnownLaw, N: float, D: float) -> Prediction:
    """A student, or a teacher, trained directly."""
    return _alone(law, law.fitted, _draws(law), N, D)


def taught(
    law: KnownLaw, N: float, D: float, L_T: float, *, made: tuple[float | None, float | None] | None = None
) -> Prediction:
    """A student of a teacher, whose cross-entropy is measured, the same under every draw.

    `made` are the N_T and D_T of a teacher that the law speaks for instead: its errors carry over to the student's.
    """
    measured = _of_measured(law, N, D, L_T)
    if made is None:
        return measured
    N_T, D_T = made
    assert N_T is not None
    assert D_T is not None
    assert law.distillation is not None
    teacher = directly(law, N_T, D_T)
    # d log L_S / d log L_T carries the teacher's own errors over
    ends = [float(law.distillation.loss(N, D, L_T * factor)) for factor in (1 - 1e-4, 1 + 1e-4)]
    slope = (np.log(ends[1]) - np.log(ends[0])) / (np.log1p(1e-4) - np.log1p(-1e-4))
    return measured._replace(
        drawn=_draws(law).loss(N, D, teacher.drawn),
        drift=measured.drift + slope * teacher.drift,
        growth=float(np.hypot(measured.growth, slope * teacher.growth)),
        noise=float(np.hypot(measured.noise, slope * teacher.noise)),
    )


def _of_measured(law: KnownLaw, N: float, D: float, L_T: float) -> Prediction:
    fit = law.fitted
    reach = intervals.beyond(fit, np.asarray(N), np.asarray(D), np.asarray(L_T))
    return Prediction(
        float(law.require_distillation().loss(N, D, L_T)),
        _draws(law).loss(N, D, L_T),
        float(reach.drift),
        float(reach.growth),
        _noise(fit, reach),
        float(reach.noise),
    )


def _draws(law: KnownLaw) -> DistillationLaw:
    found = intervals.drawn(law.fitted)
    assert isinstance(found, DistillationLaw)  # a law without distillation was refused before
    return found


def _half_alone(fit: Fit, level: float) -> float:
    """Half-width in standard deviations: of the supervised runs' few, unless that law was given without its runs."""
    part = _stage(fit)
    return intervals.quantile(level, part if part.draws is not None else fit)


def _stage(fit: Fit) -> Fit:
    return fit if fit.supervised is None else fit.supervised


def _noise(part: Fit, reach: intervals.Reach) -> float:
    # a law that was given, not fitted, says nothing of its runs' noise but its error
    return float(intervals.noise_of(part) * reach.noise)


def _alone(law: KnownLaw, fit: Fit, draws: DistillationLaw, N: float, D: float) -> Prediction:
    part = _stage(fit)
    reach = intervals.beyond(part, np.asarray(N), np.asarray(D), None)
    return Prediction(
        float(law.supervised.loss(N, D)),
        draws.supervised.loss(N, D),
        float(reach.drift),
        float(reach.growth),
        _noise(part, reach),
        float(reach.noise),
    )


def _distilled(law: KnownLaw, plan: Plan, by_law: bool) -> Prediction:
    assert plan.teacher.loss is not None
    made = (plan.teacher.N, plan.teacher.D) if plan.pay_pretraining or by_law else None
    found = taught(law, plan.student.N, plan.student.D, plan.teacher.loss, made=made)
    return found._replace(loss=plan.student.loss)


def margin_between(student: Prediction, alone: Prediction, half_widths: float) -> Range:
    """The interval of the margin: the noise of single runs is no reason to change a decision, so it is left out."""
    margin = alone.loss - student.loss
    spread = float(np.mean((alone.drawn - student.drawn - margin) ** 2))
    beyond = (alone.loss * alone.growth) ** 2 + (student.loss * student.growth) ** 2
    half = half_widths * float(np.sqrt(spread + beyond))
    centre = margin + alone.loss * alone.drift - student.loss * student.drift
    return min(centre - half, margin), max(centre + half, margin)


def _regret(
    law: KnownLaw,
    plan: Plan,
    limits: Limits | None,
    draws: DistillationLaw,
    student: Prediction,
    alone: Prediction,
) -> Regret:
    """Nats/token lost to the plan that each draw would choose, distilled or not.

    Each draw chooses the student's size too, where the plan did. The plan in hand is among a draw's choices, also
    where the draw would not have thought its teacher possible.
    """
    best = np.minimum(student.drawn, alone.drawn)
    if not plan.teacher.given:
        charges = Charges(plan.pay_logits, plan.pay_pretraining)
        problems = Problems.of(law, plan.student.N, plan.budget, charges, limits, draws, plan.terms)
        if plan.student.chosen:
            direct = problems.of_size(sizes.alone(problems, law.box_N)[:, None])
            best = np.minimum(best, direct.supervised_loss())
            problems = problems.of_size(sizes.distilled(problems, law.box_N, points=sizes.COARSE)[:, None])
        best = np.minimum(best, optimum(problems, points=POINTS)[0].loss)
    lost = (student.drawn if plan.margin > 0 else alone.drawn) - best
    return Regret(float(np.mean(lost)), float(np.quantile(lost, 0.95)))
