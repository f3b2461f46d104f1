"""`--gpu --mfu --count --price`: FLOPs, GPU-hours, days and money of a plan's parts, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitting.errors import InputError
from fitting.gpus import PEAKS
from fitting.published import BUSBRIDGE2025_LAW as LAW
from planner.bills import billed
from planner.costs import Hardware
from planner.decision import plan
from planner.scenarios import Budget, Charges
from planner.target import plan_for

PARTS = ("student", "teacher", "forwards")
PLAN = plan(LAW, Budget(1e23, 1, 1), student=1e9)
ASKED = ("plan", "train-teacher", "--student", "1B", "--budget", "1e23")


@given(
    gpu=st.sampled_from(sorted(PEAKS)),
    mfu=st.floats(0.01, 1),
    count=st.integers(1, 10**5),
    price=st.floats(0.01, 100),
    factor=st.floats(0.1, 10),
)
def test_parts_add_up_and_money_scales_with_its_price(gpu, mfu, count, price, factor):
    bill = billed(PLAN, Hardware(gpu, mfu, count, price)).bill
    for what in ("flops", "gpu_hours", "days", "cost"):
        assert sum(getattr(getattr(bill, part), what) for part in PARTS) == pytest.approx(getattr(bill.total, what))
    assert bill.total.flops == pytest.approx(PLAN.budget)
    assert bill.total.gpu_hours * 3600 * PEAKS[gpu] * mfu == pytest.approx(PLAN.budget)
    assert bill.total.days * 24 * count == pytest.approx(bill.total.gpu_hours)
    dearer = billed(PLAN, Hardware(gpu, mfu, count, price * factor)).bill
    for part in (*PARTS, "total", "supervised"):
        assert getattr(dearer, part).cost == pytest.approx(factor * getattr(bill, part).cost)
        assert getattr(dearer, part).gpu_hours == getattr(bill, part).gpu_hours


def test_a_bill_by_hand():
    bill = billed(PLAN, Hardware("H100", 0.4, 64, 1.8)).bill
    hours = 1e23 / (989e12 * 0.4 * 3600)
    assert (bill.total.gpu_hours, bill.total.cost) == (pytest.approx(hours), pytest.approx(1.8 * hours))
    assert bill.total.days == pytest.approx(hours / 64 / 24)
    assert "bf16" in bill.peak_source
    assert billed(PLAN, Hardware("v100", 0.4)).bill.total.cost is None
    assert "fp16" in billed(PLAN, Hardware("v100", 0.4)).bill.peak_source


def test_a_target_is_held_against_what_training_directly_needs():
    found = billed(plan_for(LAW, 2.3, Charges(1, 0), student=1e9), Hardware("h100", 0.4))
    assert found.bill.supervised.flops == pytest.approx(found.target.supervised_budget)
    beyond = billed(plan_for(LAW, 2.527, Charges(0, 0), student=1e8), Hardware("h100", 0.4))
    assert beyond.target.supervised_budget is None
    assert beyond.bill.supervised is None


def test_the_command_writes_the_bill_and_asks_it_again(distillaw):
    flags = ("--gpu", "b200", "--mfu", "0.35", "--count", "8", "--price", "4")
    found = json.loads(distillaw(*ASKED, *flags, "--json").out)
    plain = json.loads(distillaw(*ASKED, "--json").out)
    assert plain.pop("bill") is None
    bill = found.pop("bill")
    assert found == plain
    assert (bill["gpu"], bill["count"], bill["total"]["flops"]) == ("b200", 8, pytest.approx(1e23))
    shown = distillaw(*ASKED, *flags).out
    assert "days" in shown
    assert "On 8 B200 at 35% of 2.25e15 FLOP/s, dense bf16" in shown
    assert shown.splitlines()[-1].endswith("--gpu b200 --mfu 0.35 --count 8 --price 4")


def test_a_next_command_without_bills_is_not_given_a_gpu(distillaw):
    asked = distillaw(*ASKED, "--gpu", "b200", "--mfu", "0.35").out.splitlines()[-1].removeprefix("Next: ").split()
    assert distillaw(*asked[1:], "--json").code == 0


@pytest.mark.parametrize(
    ("flags", "faults"),
    [
        (
            ["--gpu", "h10", "--mfu", "40", "--count", "-4", "--price", "-1"],
            ["no GPU is called 'h10'; did you mean 'h100'", "--mfu: ", "--count: must be", "--price: must be"],
        ),
        (["--gpu", "h100", "--mfu", ".4", "--count", "1.5"], ["--count: GPUs are counted in whole numbers"]),
        (["--price", "2"], ["--price: needs --gpu and --mfu too"]),
        (["--gpu", "h100"], ["--gpu: needs --mfu too"]),
        (["--mfu", ".4"], ["--mfu: needs --gpu too"]),
        (["--gpu", "h100", "--mfu", ".4", "--price", "0"], ["--price: must be greater than zero"]),
    ],
)
def test_bad_hardware_is_refused_with_every_fault(distillaw, flags, faults):
    answer = distillaw(*ASKED, *flags)
    assert (answer.code, answer.out) == (2, "")
    for fault in faults:
        assert fault in answer.err


def test_bad_hardware_in_python():
    with pytest.raises(InputError, match="did you mean") as error:
        Hardware("mi300", 0, 0, float("nan"))
    assert len(error.value.faults) == 4
