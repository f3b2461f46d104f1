"""Tables 2 and 5: the scenarios, and what each charges to a budget by Eq 9 of arXiv 2502.08606."""

from fitting.flops import SIX_ND, spend
from fitting.known import KnownLaw
from paper_figs.tables.table import Column, PaperTable
from planner.scenarios import scenarios

_COLUMNS = (
    Column("scenario", "scenario", "text"),
    Column("delta_logits", "δ_Lgt", "number"),
    Column("delta_pretraining", "δ_Pre", "number"),
    Column("student_training", "F(N_S) D_S", "number"),
    Column("teacher_inference", "F(N_T) D_S", "number"),
    Column("teacher_training", "F(N_T) D_T", "number"),
)


def build(law: KnownLaw) -> PaperTable:
    """Every scenario with its δ and how many forward passes (F, FLOPs per token) of whom it pays per token.

    Read off the ledger for models of one parameter on one token each; no law enters.
    """
    rows = []
    for name, charges in scenarios().items():
        paid = spend(SIX_ND, 1.0, 1.0, 1.0, 1.0, pay_logits=charges.logits, pay_pretraining=charges.pretraining)
        F = SIX_ND.forward(1.0)
        rows.append(
            {
                "scenario": name,
                "delta_logits": charges.logits,
                "delta_pretraining": charges.pretraining,
                "student_training": paid.student_training / F,
                "teacher_inference": paid.teacher_inference / F,
                "teacher_training": paid.teacher_training / F,
            }
        )
    most = {key: max(row[key] for row in rows) for key in rows[0] if key != "scenario"}
    return PaperTable(
        "Scenarios and what they pay",
        f"{len(rows)} scenarios: each pays {most['student_training']:g} F(N_S) for a token of the student; the "
        f"teacher's forward pass on it adds {most['teacher_inference']:g} F(N_T) where paid, the teacher's training "
        f"{most['teacher_training']:g} F(N_T) for each of its own tokens.",
        _COLUMNS,
        tuple(rows),
        ("F is the forward FLOPs per token. A δ between 0 and 1 pays a share: distillaw plan ... --pay-logits 0.5.",),
    )
