"""How a grid is run: on which executor, with what. The one place that knows all of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from fitting.errors import Faults
from sweeps import mirrors
from sweeps.grid import Grid

EXECUTORS = ("local", "slurm", "ray")


@dataclass(frozen=True)
class How:
    """What a person asked for.

    `workers` groups of cells at once; `together` students at most on one teacher forward (None: where it is cheaper).
    Of Slurm: `slurm`, what submitit passes to sbatch. Of Ray: the `address` of a cluster (None: one for this run, on
    this machine), and the GPUs of each group, `gpus`, which may be a fraction. `logs`: where journals are
    shown as well (`mirrors.NAMES`).
    """

    executor: str = "local"
    workers: int = 2
    together: int | None = None
    checkpoint_seconds: float = 10.0
    slurm: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None
    gpus: float = 0.0
    logs: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise `InputError` for what does not belong together."""
        faults = Faults()
        if self.executor not in EXECUTORS:
            faults.add(f"--executor: {self.executor!r} is none of {', '.join(EXECUTORS)}")
        if self.slurm and self.executor != "slurm":
            faults.add("--slurm: is for --executor slurm")
        if self.address is not None and self.executor != "ray":
            faults.add("--address: is for --executor ray")
        if self.gpus and self.executor != "ray":
            remedy = {"slurm": "--slurm gpus_per_node=1"}.get(self.executor, "local workers share the GPUs there are")
            faults.add(f"--gpus: is for --executor ray; {remedy}")
        faults.collect(mirrors.check, self.logs)
        faults.raise_if_any()


def run(grid: Grid, how: How, only: Collection[str] | None = None) -> str:
    """Run the cells of a grid that are not over, or those of them in `only`; on Slurm, hand them in.

    Returns what else there is to say. Raises `RunError` as `queueing.run_cells` does.
    """
    if how.executor == "slurm":
        from sweeps.executors import slurm

        return slurm.hand_in(grid, how, only)
    from sweeps.progress import Display
    from sweeps.queueing import Engine, run_cells

    def engine(groups: int) -> Engine:
        slots = min(how.workers, groups)
        if how.executor == "ray":
            from sweeps.executors.ray import OnRay

            return OnRay(grid, slots, how.checkpoint_seconds, how.address, how.gpus, how.logs)
        from sweeps.executors.local import Local

        return Local(grid, slots, how.checkpoint_seconds, how.logs)

    with Display(grid) as display:
        run_cells(grid, engine, only=only, together=how.together, tell=display.tell)
    return ""
