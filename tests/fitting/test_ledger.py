"""The FLOP ledger against Table 13 of arXiv 2502.08606, and conventions that never mix."""

import csv
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitting import flops
from fitting.errors import InputError
from fitting.flops import BUSBRIDGE2025, SIX_ND, SIX_ND_TOTAL, Convention, Shape

TABLE_13 = Path(__file__).resolve().parents[1] / "golden" / "busbridge2025_table13.csv"
with TABLE_13.open() as lines:
    MODELS = list(csv.DictReader(lines))


def shape_of(model):
    """The row's shape with 16 heads; the 10B row prints a d_ff of 12672 and its N needs 12800."""
    width = 12800 if model["name"] == "10B" else int(model["dff"])
    return Shape(int(model["L"]), int(model["d"]), width, 16, 16, 32768, 4096)


def test_the_table_has_33_models():
    assert len(MODELS) == 33


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["name"])
def test_table_13(model):
    shape = shape_of(model)
    counted = flops.parameters(shape)
    itemised = flops.forward(shape).total
    assert counted.non_embedding == pytest.approx(float(model["N"]) * 1e9, rel=5e-4)
    assert counted.total == pytest.approx(float(model["Ntot"]) * 1e9, rel=5e-4)
    assert itemised == pytest.approx(float(model["Cfwd"]) * 1e9, rel=5e-4)
    # Eq 69, from N alone
    assert BUSBRIDGE2025.forward(float(counted.non_embedding)) == pytest.approx(itemised, rel=4e-3)
    assert SIX_ND.forward(counted.non_embedding) == pytest.approx(float(model["C2N"]) * 1e9, rel=6e-4)
    # Eq 59, 2N + 2 n_layers n_ctx d_model + 2 n_vocab d_model, which the table prints too
    eq_59 = 2 * counted.non_embedding + 2 * shape.d_model * (shape.n_layers * shape.n_ctx + shape.n_vocab)
    assert eq_59 == pytest.approx(itemised, rel=4e-3)
    assert eq_59 == pytest.approx(float(model["Csig"]) * 1e9, rel=5e-4)


@pytest.mark.parametrize("model", [m for m in MODELS if m["name"] != "10B"], ids=lambda model: model["name"])
def test_the_family_is_found_from_its_depth(model):
    assert Shape.of_depth(int(model["L"])) == shape_of(model)


def test_training_is_three_forwards_and_attention_may_be_full():
    shape = Shape.of_depth(8)
    assert flops.training(shape, 10.0) == 30 * flops.forward(shape).total
    half, full = flops.forward(shape), flops.forward(shape, causal_attention=False)
    assert full.attention_logits == 2 * half.attention_logits
    assert full.matmul - half.matmul == half.attention_logits + half.attention_values
    assert BUSBRIDGE2025.training(1e9, 2.0) == 6 * BUSBRIDGE2025.forward(1e9)
    assert SIX_ND.training(1e9, 2e10) == 6 * 1e9 * 2e10


def test_a_budget_pays_for_what_it_must():
    spent = flops.spend(SIX_ND, 1e9, 1e10, 2e9, 3e10, pay_logits=0.5, pay_pretraining=0.25)
    assert spent.student_training == 6 * 1e9 * 1e10
    assert spent.teacher_inference == 0.5 * 2 * 2e9 * 1e10
    assert spent.teacher_training == 0.25 * 6 * 2e9 * 3e10
    assert spent.total == spent.student_training + spent.teacher_inference + spent.teacher_training
    assert flops.spend(SIX_ND, 1e9, 1e10, None, None, pay_logits=0, pay_pretraining=0).teacher_inference == 0
    with pytest.raises(ValueError, match="cannot be paid"):
        flops.spend(SIX_ND, 1e9, 1e10, None, None, pay_logits=1, pay_pretraining=0)


@given(st.floats(min_value=1e5, max_value=1e13))
def test_parameters_with_and_without_embeddings_convert_both_ways(N):
    embedding = BUSBRIDGE2025.embedding(N)
    assert BUSBRIDGE2025.without_embedding(N + embedding) == pytest.approx(N, rel=1e-9)


def test_conventions_never_mix():
    BUSBRIDGE2025.require_same(replace(BUSBRIDGE2025), "a", "b")
    with pytest.raises(InputError, match="parameters: total against non-embedding"):
        SIX_ND_TOTAL.require_same(SIX_ND, "the table", "the law")


@pytest.mark.parametrize(
    "change",
    [{"name": "8ND"}, {"parameters": "all"}, {"rho": -1}, {"rho": None}, {"parameters": "total"}],
)
def test_a_convention_that_says_nothing_is_refused(change):
    with pytest.raises(InputError, match="convention"):
        Convention(**{**asdict(BUSBRIDGE2025), **change})
    with pytest.raises(InputError, match="somewhere"):
        Convention.from_dict({**asdict(BUSBRIDGE2025), **change}, "somewhere")


def test_a_convention_survives_json():
    assert Convention.from_dict(asdict(BUSBRIDGE2025), "x") == BUSBRIDGE2025
    with pytest.raises(InputError, match="exactly the fields"):
        Convention.from_dict({"name": "6ND"}, "x")
