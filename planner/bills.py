"""The bill of a plan: its FLOPs as GPU-hours, days and money, part by part."""

from dataclasses import replace

from planner.costs import Hardware
from planner.plans import Bill, Part, Plan


def billed(plan: Plan, hardware: Hardware) -> Plan:
    """The plan with its bill on `hardware`: every FLOP at the same MFU, the parts one after the other on all GPUs."""
    spent = plan.flops
    return replace(
        plan,
        bill=Bill(
            hardware.gpu,
            hardware.peak,
            hardware.source,
            hardware.mfu,
            hardware.count,
            hardware.price,
            student=part(hardware, spent.student_training),
            teacher=part(hardware, spent.teacher_training),
            forwards=part(hardware, spent.teacher_inference),
            serving=part(hardware, spent.serving),
            total=part(hardware, spent.total),
            supervised=_supervised(plan, hardware),
        ),
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


def _supervised(plan: Plan, hardware: Hardware) -> Part | None:
    """Training directly instead: for a target what that needs, None where it never reaches it."""
    if plan.target is not None:
        budget = plan.target.supervised_budget
        return None if budget is None else part(hardware, budget)
    return part(hardware, plan.supervised_flops)
