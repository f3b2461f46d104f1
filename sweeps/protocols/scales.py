"""The numbers of the protocols: sizes, budgets, tokens a parameter and recipes, at the paper's scale and at three ours.

The paper's are those of arXiv 2502.08606 (section 4.1, Table 13, App E) where it prints them, and `READINGS` says where
it does not or says two things. Ours keep the logic of each protocol and fit a time: see `Scale.seconds`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fitting.gpus import PEAKS
from sweeps.protocols.points import Line, Points, Profile, Same
from sweeps.spec import Parametrisation, Precision

PROTOCOLS = {
    "fixed-m-teacher": "teachers of fixed M, students along IsoFLOP profiles: what N_S and D_S do",
    "isoflop-teacher": "teachers along IsoFLOP profiles, students of fixed M: what L_T does",
    "fixed-m": "teachers of fixed M, students of several fixed M: the two together, and where the capacity gap lies",
}
"""By name, who varies how and what that identifies (arXiv 2502.08606, section 4)."""

RATES = (0.5, 1.0, 2.0)
"""The brackets try the learning rate times these: by factors of two, as `data/README.md` does for the demo."""


@dataclass(frozen=True)
class Design:
    """Who teaches and who learns: every run of `students` has every teacher, `apart` included.

    `apart` are teachers off the line: the L_T of another with another N_T, which fixed M alone cannot tell apart.
    `further` are students that have the teachers of the named sizes only.
    """

    teachers: tuple[Points, ...]
    students: tuple[Points, ...]
    apart: tuple[Points, ...] = ()
    further: tuple[tuple[Points, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class Scale:
    """One size of experiment: a family of shapes, recipe and text, supervised runs and a design for each protocol.

    `by` is how a grid file writes a size. `corpus` is a corpus that needs no preparation, None where one must be
    prepared, with `n_vocab` tokens of vocabulary. The runs and their brackets cost at most `seconds` times `rate`, a
    rate in FLOP/s that `rate_basis` explains; None where no time was aimed at.
    """

    name: str
    by: str
    aspect: int
    heads: int
    n_ctx: int
    n_vocab: int
    corpus: str | None
    repeat: bool
    validation_tokens: int
    validations: int
    batch_tokens: int
    learning_rate: float
    reference_width: int
    parametrisation: Parametrisation
    warmup_steps: int
    precision: Precision
    workers: int
    together: int
    supervised: tuple[Points, ...]
    designs: Mapping[str, Design]
    seconds: float | None = None
    rate: float | None = None
    rate_basis: str = ""
    calibrated: bool = False
    """Whether the machine at hand is what it is made for, so that steps timed on it say how long it takes."""


# --- The paper: Table 13 by depth, d_model = 128 layers, 103M (8 layers) to 12.6B (40) ---

_SIX = (14, 17, 21, 24, 29, 34)  # section 4: 546M, 975M, 1.82B, 2.72B, 4.82B, 7.75B
_FIXED_M_STUDENTS = (10, 14, 17, 21)  # 198M, 546M, 975M, 1.82B
_TEN = (10, 12, 14, 17, 19, 21, 24, 26, 29, 34)  # the seven of App G's calibration, 340M, 1.35B and 3.48B
_FIVE = (9, 10, 14, 17, 21)  # 143M, 198M, 546M (Fig 4), 975M, 1.82B (with them in Fig 1)

# 14 sizes a profile, from about 300 tokens a parameter down to 1.5; not the 10B model of Table 13 (37 layers), whose
# printed d_ffn gives another N
_FULL = (
    Profile(3e19, (8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21)),
    Profile(1e20, (10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 25)),
    Profile(3e20, (12, 13, 14, 15, 16, 17, 18, 20, 21, 23, 24, 26, 28, 30)),
    Profile(1e21, (15, 16, 17, 18, 20, 21, 23, 24, 26, 28, 30, 32, 34, 36)),
)
_THINNED = (
    Profile(3e19, (8, 9, 10, 11, 13, 14, 16, 18, 20)),
    Profile(1e20, (10, 11, 13, 14, 16, 18, 20, 22, 25)),
    Profile(3e20, (12, 13, 15, 17, 19, 21, 24, 27, 30)),
    Profile(1e21, (15, 17, 19, 21, 24, 26, 30, 33, 36)),
)

PAPER = Scale(
    name="paper",
    by="layers",
    aspect=128,
    heads=16,
    n_ctx=4096,
    n_vocab=32768,  # Table 13's N_total needs it
    corpus=None,
    repeat=True,
    validation_tokens=10_485_760,
    validations=4,
    batch_tokens=1_024_000,  # 250 windows; 512B is a whole number of steps
    learning_rate=0.01,  # App E, tuned in Fig 53
    reference_width=1024,
    parametrisation="mup",
    warmup_steps=2000,
    precision="bf16",
    workers=1,
    together=1,
    supervised=(
        Line((*_TEN, 40)),  # 11 of fixed M; 40 layers: 12.6B, the largest model named
        Same(512e9, (9, 10, 14, 17, 21, 29)),  # 6 at 512B
        *_FULL,
    ),
    designs={
        "fixed-m-teacher": Design(
            teachers=(Line(_SIX),),
            students=_THINNED,
            further=((Profile(3e21, (18, 21, 23, 27, 31, 35, 40)), (34,)),),  # "a few": with the 7.75B teacher
        ),
        "isoflop-teacher": Design(teachers=_FULL, students=(Line(_FIXED_M_STUDENTS),)),
        "fixed-m": Design(teachers=(Line(_TEN),), students=(Line(_FIVE, (20, 40, 80, 160, 320)),)),
    },
)

READINGS: Mapping[str, tuple[str, ...]] = {
    "": (
        "The sizes of a profile are not printed: 14 of them, from about 300 tokens a parameter to 1.5.",
        "They are 14 because 73 supervised runs (Table 6; App E.2 says 74) less 11 and 6 leave 56 for four profiles.",
        "The sizes of the 11 runs of fixed M are not printed: those of the ten teachers, and 12.6B.",
        "The sizes of the 6 runs at 512B are not printed: the first six of Fig 1.",
        "Batch, seeds and the base width of μP are not printed: 250 windows a step, one seed, base width 1024.",
        "Nor are the heads: 16, from the errors in Table 13.",
        "Halves of 90B tokens (section 4) repeat 5.7 times at 512B, where it counts on four at most: repeat = true.",
        "Vocabulary: 32768, because Table 13 needs it; App G.4 says 32168.",
    ),
    "fixed-m-teacher": (
        "Teachers: the six that section 4 lists, 546M to 7.75B; elsewhere it says from 198M on.",
        "Nine sizes in a student's profile, and at 3e21 seven, of the 7.75B teacher only.",
        "With the 224 and 250 runs of the other two protocols these 223 make the 697 of Table 6.",
    ),
    "isoflop-teacher": (
        "Students: 198M, 546M, 975M and 1.82B as section 4 has them; the caption of Fig 3 has 7.75B and no 198M.",
    ),
    "fixed-m": (
        "Ten teachers are counted, not listed: the seven of App G with 340M, 1.35B and 3.48B.",
        "Five students are counted, not listed: those of Fig 4 with 975M and 1.82B.",
        "M_S: all of 20 to 320 for each student, where the paper has four at least.",
    ),
}
"""What the paper leaves open or says in two ways, and what was taken; under "" what holds for all protocols."""


# --- Ours on a CPU: widths of a multiple of 4 from 16 a layer, bytes of the standard library, halves of 4.7M tokens ---


def _cpu(
    name: str, minutes: float, rate: float, batch_tokens: int, supervised: tuple[Points, ...], **designs: Design
) -> Scale:
    return Scale(
        name=name,
        by="params",
        aspect=16,
        heads=2,
        n_ctx=128,
        n_vocab=256,
        corpus="stdlib",
        repeat=False,
        validation_tokens=65_536 if minutes > 30 else 32_768,
        validations=1,
        batch_tokens=batch_tokens,
        learning_rate=0.01,  # at width 64, bracketed for the demo; see data/README.md
        reference_width=64,
        parametrisation="standard",
        warmup_steps=2000,  # the schedule cuts it to a tenth of a run
        precision="fp32",
        workers=2,
        together=4,
        supervised=supervised,
        designs={key.replace("_", "-"): design for key, design in designs.items()},
        seconds=60 * minutes,
        rate=rate,
        rate_basis="two idle cores, a worker on each, where `make demo` reaches some 4e10; smaller models less",
        calibrated=True,
    )


_CPU_TEN = (
    Profile(7e10, (14_000, 25_000, 39_000), repeated=(14_000, 25_000)),
    Profile(1.5e11, (14_000, 25_000, 39_000, 58_000)),
)

CPU_10MIN = _cpu(
    "cpu-10min",
    10,
    2e10,
    512,
    supervised=(Line((14_000, 25_000, 39_000), repeated=(14_000,)), Same(768_000, (14_000, 39_000)), *_CPU_TEN),
    fixed_m_teacher=Design(
        teachers=(Line((14_000, 25_000, 58_000)),), apart=(Line((25_000,), (70,)),), students=_CPU_TEN
    ),
    isoflop_teacher=Design(
        teachers=(
            Profile(1.2e11, (14_000, 25_000, 39_000)),
            Profile(4e11, (25_000, 39_000, 58_000)),
        ),
        students=(Line((14_000, 25_000, 39_000), repeated=(14_000, 25_000)),),
    ),
    fixed_m=Design(
        teachers=(Line((14_000, 25_000, 58_000)),),
        apart=(Line((14_000,), (60,)),),
        students=(
            Line((14_000,), repeated=(14_000,)),
            Line((14_000,), (40, 80)),
            Line((25_000,), (20, 40)),
            Line((39_000,)),
        ),
    ),
)

_CPU_HOUR = (
    Profile(1.5e11, (14_000, 25_000, 39_000, 58_000), repeated=(14_000, 25_000)),
    Profile(5e11, (25_000, 39_000, 58_000, 83_000, 112_000)),
    Profile(1.2e12, (39_000, 58_000, 83_000, 112_000, 150_000)),
)

CPU_1H = _cpu(
    "cpu-1h",
    60,
    3.5e10,
    768,
    supervised=(
        Line((25_000, 58_000, 112_000), repeated=(25_000,)),
        Same(4_096_000, (14_000, 39_000)),
        *_CPU_HOUR,
    ),
    fixed_m_teacher=Design(
        teachers=(Line((25_000, 58_000, 112_000, 200_000)),), apart=(Line((58_000,), (60,)),), students=_CPU_HOUR
    ),
    isoflop_teacher=Design(
        teachers=(
            Profile(3e11, (14_000, 25_000, 39_000, 58_000)),
            Profile(1e12, (25_000, 39_000, 58_000, 112_000)),
            Profile(3e12, (83_000, 112_000, 200_000)),
        ),
        students=(Line((25_000, 39_000, 58_000, 83_000, 112_000), repeated=(25_000, 39_000)),),
    ),
    fixed_m=Design(
        teachers=(Line((25_000, 58_000, 112_000, 200_000)),),
        apart=(Line((25_000,), (160,)),),
        students=(
            Line((25_000, 39_000), (20, 40, 80), repeated=(25_000,)),
            Line((58_000, 83_000), (20, 40)),
        ),
    ),
)

# --- Ours on a GPU: half an hour of an H100, 4096 tokens of vocabulary ---

_GPU = (
    Profile(3e14, (400_000, 800_000, 1_600_000, 3_200_000), repeated=(400_000, 800_000)),
    Profile(7e14, (400_000, 800_000, 1_600_000, 3_200_000)),
    Profile(1.6e15, (800_000, 1_600_000, 3_200_000, 6_300_000)),
)

GPU_30MIN = Scale(
    name="gpu-30min",
    by="params",
    aspect=64,
    heads=4,
    n_ctx=512,
    n_vocab=4096,
    corpus=None,
    repeat=False,
    validation_tokens=1_048_576,
    validations=1,
    batch_tokens=32_768,
    learning_rate=0.01,
    reference_width=128,
    parametrisation="mup",
    warmup_steps=2000,
    precision="bf16",
    workers=4,
    together=4,
    supervised=(
        Line((800_000, 1_600_000, 3_200_000), repeated=(800_000,)),
        Same(131_072_000, (400_000, 1_600_000)),
        *_GPU,
    ),
    designs={
        "fixed-m-teacher": Design(
            teachers=(Line((1_600_000, 3_200_000, 6_300_000)),), apart=(Line((1_600_000,), (80,)),), students=_GPU
        ),
        "isoflop-teacher": Design(
            teachers=(
                Profile(6e14, (400_000, 800_000, 1_600_000, 3_200_000)),
                Profile(2.4e15, (800_000, 1_600_000, 3_200_000, 6_300_000)),
            ),
            students=(Line((800_000, 1_600_000, 3_200_000, 6_300_000), repeated=(800_000, 1_600_000)),),
        ),
        "fixed-m": Design(
            teachers=(Line((800_000, 1_600_000, 3_200_000, 6_300_000)),),
            apart=(Line((800_000,), (120,)),),
            students=(
                Line((800_000, 1_600_000), (20, 40, 80), repeated=(800_000,)),
                Line((3_200_000,), (20, 40)),
            ),
        ),
    },
    seconds=1800,
    rate=0.1 * PEAKS["h100"],
    rate_basis="an MFU of 10 % on one H100 that four workers share: assumed, not measured",
)

SCALES = {scale.name: scale for scale in (PAPER, GPU_30MIN, CPU_1H, CPU_10MIN)}
