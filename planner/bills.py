"""The bill of a plan: its FLOPs as GPU-hours, days and money, part by part."""

from dataclasses import replace

from fitting.flops import Spend
from planner.consulting import spent
from planner.costs import Hardware
from planner.plans import Bill, Part, Plan


def billed(plan: Plan, hardware: Hardware) -> Plan:
    """The plan with its bill on `hardware`: every FLOP at the same MFU, the parts one after the other on all GPUs."""
    return replace(plan, bill=bill(spent(plan), _directly(plan), hardware))


def bill(cost: Spend, directly: float | None, hardware: Hardware) -> Bill:
    """What is spent, part by part, and the FLOPs of training directly instead, None where that does not do it."""
    return Bill(
        hardware.gpu,
        hardware.peak,
        hardware.source,
        hardware.mfu,
        hardware.count,
        hardware.price,
        student=part(hardware, cost.student_training),
        teacher=part(hardware, cost.teacher_training),
        forwards=part(hardware, cost.teacher_inference),
        serving=part(hardware, cost.serving),
        total=part(hardware, cost.total),
        supervised=None if directly is None else part(hardware, directly),
    )


def part(hardware: Hardware, flops: float) -> Part:
    """So many FLOPs on the hardware."""
    hours = hardware.hours(flops)
    return Part(
        flops,
        hours,
        None if hardware.count is None else hours / hardware.count / 24,
        None if hardware.price is None else hours * hardware.price,
    )


def _directly(plan: Plan) -> float | None:
    """FLOPs of training directly instead: for a target what that needs, None where it never reaches it."""
    return plan.supervised_flops if plan.target is None else plan.target.supervised_budget
