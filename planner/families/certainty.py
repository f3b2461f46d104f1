"""How sure the plan of a family is, by the joint draws of a fitted law: intervals of each student, and the mean's."""

from dataclasses import replace

import numpy as np

from fitting import intervals
from fitting.known import KnownLaw
from planner.certainty import Prediction, alone, directly, margin_between, scale_of, taught
from planner.families.plans import FamilyCertainty, FamilyPlan
from planner.plans import verdict_of


def with_certainty(law: KnownLaw, plan: FamilyPlan, level: float, *, by_law: bool = False) -> FamilyPlan:
    """The plan with intervals and a verdict held against the interval of the weighted mean's margin."""
    half = intervals.quantile(level, law.fitted)
    teacher = plan.teacher
    assert teacher.loss is not None
    made = (teacher.N, teacher.D) if plan.pay_pretraining or by_law else None
    students, directs, members = [], [], []
    for each in plan.members:
        distilled = taught(law, each.student.N, each.student.D, teacher.loss, made=made)
        direct = directly(law, each.student.N, each.supervised.D)
        students.append(distilled)
        directs.append(direct)
        members.append(
            replace(
                each,
                student=replace(each.student, interval=distilled.interval(half)),
                supervised=replace(each.supervised, interval=alone(law, each.student.N, each.supervised.D, level)),
            )
        )
    weights = [each.weight for each in plan.members]
    distilled, direct = _mean(students, weights), _mean(directs, weights)
    margin = margin_between(distilled, direct, half)
    scale = scale_of(plan.margin, margin)
    return replace(
        plan,
        members=tuple(members),
        verdict=verdict_of(plan.margin, scale),
        margin_scale=scale,
        margin_basis="interval",
        certainty=FamilyCertainty(len(distilled.drawn), level, margin, float(np.mean(direct.drawn > distilled.drawn))),
    )


def _mean(predictions: list[Prediction], weights: list[float]) -> Prediction:
    """The weighted mean of losses: draws are joint, what comes beside them is taken to go the same way."""
    pairs = list(zip(weights, predictions, strict=True))
    loss = sum(w * p.loss for w, p in pairs)

    def of(name: str) -> float:
        return float(sum(w * p.loss * getattr(p, name) for w, p in pairs) / loss)

    drawn = np.sum([w * p.drawn for w, p in pairs], axis=0)
    return Prediction(loss, drawn, of("drift"), of("growth"), of("noise"), of("scale"))
