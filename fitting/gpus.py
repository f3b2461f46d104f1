"""GPUs by name and what they do at best, for plans in GPU-hours and for the utilisation that a run reaches."""

PEAKS = {
    "v100": 125e12,
    "a100": 312e12,
    "l40s": 362e12,
    "h100": 989e12,
    "h200": 989e12,
    "b200": 2250e12,
    "mi300x": 1307e12,
}
"""Dense peak FLOP/s by the makers' data sheets, SXM or OAM boards: bf16, on the V100 fp16."""


def source(gpu: str) -> str:
    """What the peak of a GPU is, and by whom."""
    return f"dense {'fp16' if gpu == 'v100' else 'bf16'} by the maker's data sheet, SXM or OAM board"


def find(board: str) -> float | None:
    """The peak of a board by the name that its driver gives ("NVIDIA H100 80GB HBM3"); None where it is not known."""
    words = board.casefold().replace("-", " ").split()
    return next((peak for name, peak in PEAKS.items() if name in words), None)
