"""Numbers as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitting import units
from fitting.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e21", 1e21), ("300M", 3e8), ("7B", 7e9), ("2T", 2e12), ("1_000", 1e3), ("7.75b", 7.75e9), (" 5k ", 5e3),
     (".5M", 5e5), ("1G", 1e9), ("3", 3.0)],
)  # fmt: skip
def test_reads_what_people_write(text, value):
    assert units.parse(text, "--budget") == value


@pytest.mark.parametrize(
    "text", ["0", "-5", "nan", "inf", "-inf", "1e21x", "7BB", "", "1,000", "1e999", "ten", "1e", "B"]
)
def test_refuses_in_one_line_that_names_the_flag(text):
    with pytest.raises(InputError) as refused:
        units.parse(text, "--budget")
    (line,) = refused.value.faults
    assert line.startswith("--budget: ")
    assert "\n" not in line


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "half"])
def test_a_share_lies_between_zero_and_one(text):
    with pytest.raises(InputError, match="--pay-logits"):
        units.parse_share(text, "--pay-logits")
    assert units.parse_share("0.25", "--pay-logits") == 0.25


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1e20:1e26", (1e20, 1e26, None)), (" 1B : 2B ", (1e9, 2e9, None)), ("1e20:1e26:13", (1e20, 1e26, 13)),
     ("300M:7B:2", (3e8, 7e9, 2))],
)  # fmt: skip
def test_reads_ranges(text, expected):
    assert units.parse_range(text, "--budget") == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "not a range"), ("1e21", "not a range"), ("1:2:3:4", "not a range"), (":1e26", "is empty"),
     ("1e20:", "is empty"), ("1e20::5", "is empty"), ("a:1e26", "'a' is not a number"), ("1e20:nan", "finite"),
     ("0:1e20", "greater than zero"), ("1e26:1e20", "write 1e20:1e26"), ("1B:1e9", "both ends are the same"),
     ("1e20:1e26:1", "2 or more, not '1'"), ("1e20:1e26:2.5", "2 or more"), ("1e20:1e26:x", "2 or more")],
)  # fmt: skip
def test_refuses_a_range_in_one_line(text, words):
    with pytest.raises(InputError) as refused:
        units.parse_range(text, "--budget")
    (line,) = refused.value.faults
    assert line.startswith("--budget: ")
    assert words in line


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.07e9, "1.07B"), (5.12e11, "512B"), (2e12, "2T"), (999.6e6, "1B"), (1e17, "1e17"), (0.0, "0"), (12.0, "12")],
)
def test_counts_have_suffixes(value, text):
    assert units.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.27e22, "3.27e22"), (1e300, "1e300"), (math.inf, "inf"), (-math.inf, "-inf"), (math.nan, "nan")],
)
def test_flops_are_in_powers_of_ten(value, text):
    assert units.flops(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (9e5, "250.0 h")],
)
def test_durations_are_for_people(seconds, text):
    assert units.duration(seconds) == text


@given(st.floats(min_value=1e-3, max_value=1e30))
def test_exact_reads_back_exactly(value):
    assert units.parse(units.exact(value), "value") == value


@given(st.floats(min_value=1.0, max_value=9e14))
def test_count_reads_back_to_its_digits(value):
    assert units.parse(units.count(value), "value") == pytest.approx(value, rel=6e-3)
