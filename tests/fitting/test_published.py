"""The published coefficients and the library that finds laws by name."""

import pytest

from fitting.errors import InputError
from fitting.flops import BUSBRIDGE2025, SIX_ND_TOTAL
from fitting.library import load_law, load_supervised
from fitting.published import BUSBRIDGE2025_FIGURES_LAW, BUSBRIDGE2025_LAW, DEFAULT_LAW, PUBLISHED


def test_table_6_as_printed():
    law = BUSBRIDGE2025_LAW
    assert DEFAULT_LAW == law.id == "busbridge2025"
    alone, taught = law.supervised, law.require_distillation()
    assert (alone.A, alone.B, alone.E, alone.alpha, alone.beta, alone.gamma) == (
        3355, 18186, 1.220, 0.408, 0.431, 0.452,
    )  # fmt: skip
    assert (taught.A, taught.B, taught.alpha, taught.beta, taught.gamma) == (2243, 24181, 0.321, 0.637, 0.764)
    assert (taught.c0, taught.c1, taught.f1, taught.d1) == (2.549, 522.6, 0.090, 1.315)
    assert taught.supervised == alone


def test_every_interval_holds_its_coefficient():
    for name, (low, high) in BUSBRIDGE2025_LAW.intervals.items():
        form, _, coefficient = name.rpartition(".")
        formula = BUSBRIDGE2025_LAW.distillation if form else BUSBRIDGE2025_LAW.supervised
        assert low <= getattr(formula, coefficient) <= high
    assert BUSBRIDGE2025_LAW.interval_level == 0.90


def test_the_second_set_changes_one_coefficient_and_says_whose_it_is():
    ours, paper = BUSBRIDGE2025_FIGURES_LAW, BUSBRIDGE2025_LAW
    assert ours.supervised == paper.supervised
    assert ours.distillation.B == 1.36e6
    assert "not the paper" in ours.source
    assert ours.intervals.keys() == paper.intervals.keys() - {"distillation.B"}
    assert paper.second_opinion.law_id == ours.id
    assert paper.second_opinion.below_D_S == 4e9


def test_conventions_and_names():
    for name, law in PUBLISHED.items():
        assert law.id == name
        assert law.published
        assert law.source
        assert load_law(name) is law
    assert BUSBRIDGE2025_LAW.convention == BUSBRIDGE2025
    assert PUBLISHED["hoffmann2022"].convention == PUBLISHED["besiroglu2024"].convention == SIX_ND_TOTAL


def test_support_says_how_far_outside():
    factors = BUSBRIDGE2025_LAW.support.factors(N_S=1e9, D_S=1e9, L_T=None)
    assert factors == {"N_S": 1.0, "D_S": 4.0}


def test_an_unknown_law_suggests_the_nearest_and_lists_them_all():
    with pytest.raises(InputError, match="did you mean 'busbridge2025'") as refused:
        load_law("busbridge25")
    assert all(name in str(refused.value) for name in PUBLISHED)
    with pytest.raises(InputError, match="--supervised: no law"):
        load_supervised("zzz")


def test_a_supervised_law_plans_no_distillation():
    with pytest.raises(InputError, match="supervised training only"):
        load_law("hoffmann2022").require_distillation()
