"""How a scenario is called and coloured, and the parts of a budget: the same in every picture."""

from planner.scenarios import (
    BEST_CASE,
    NAMED_TEACHER,
    PRETRAINING_AND_INFERENCE,
    SUPERVISED,
    TEACHER_INFERENCE,
    TEACHER_PRETRAINING,
)

LABELS = {
    SUPERVISED: "supervised",
    BEST_CASE: "best case",
    TEACHER_INFERENCE: "teacher inference",
    TEACHER_PRETRAINING: "teacher pretraining",
    PRETRAINING_AND_INFERENCE: "pretraining + inference",
    NAMED_TEACHER: "named teacher",
}
"""Short names, in the order in which scenarios are drawn."""

COLOURS = {
    SUPERVISED: "#000000",
    BEST_CASE: "#0072B2",
    TEACHER_INFERENCE: "#D55E00",
    TEACHER_PRETRAINING: "#009E73",
    PRETRAINING_AND_INFERENCE: "#CC79A7",
    NAMED_TEACHER: "#E69F00",
}
"""Of Okabe and Ito, told apart by colour-blind readers; the figures of the paper colour scenarios alike."""

PARTS = {
    "student's training": "#3B4F6B",
    "teacher's forwards": "#8CA0BC",
    "teacher's training": "#D3DBE6",
}
"""What a budget goes to, in the order of `Plan.shares`; tones of one hue, so that none looks like a scenario."""

SERVING = {"student in use": "#EDE6D3"}
"""A part that only some plans have."""

UNSPENT = "unspent"

GAIN, LOSS = "#7A68A6", "#D0781C"
"""What speaks for distilling and what against it, as at the ends of the map of gains."""

GREY, PALE = "0.55", "0.92"
