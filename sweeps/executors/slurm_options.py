"""What a person asks of Slurm for each job, checked before anything is handed in."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fitting.errors import Faults
from sweeps.toml_tables import nearest

_SIGNAL_DELAY = 90
_LATITUDE = 60
"""Seconds by which Slurm may send the signal earlier than it is asked to."""

_COMMON = "partition, account, qos, time, gpus_per_node, cpus_per_task, mem, constraint, signal_delay_s"

_OURS = {
    "array": "--workers says how many jobs of an array run at once",
    "array_parallelism": "--workers says it",
    "dependency": "students wait for their teachers as it is",
    "error": "logs are in DIR/slurm",
    "job_name": "jobs have the grid's name",
    "no_requeue": "jobs that lose their place start again",
    "nodes": "a job is one process on one node",
    "ntasks": "a job is one process on one node",
    "ntasks_per_node": "a job is one process on one node",
    "open_mode": "logs are in DIR/slurm",
    "output": "logs are in DIR/slurm",
    "requeue": "it is so as it is",
    "signal": "signal_delay_s=SECONDS says when",
    "test_only": "--dry-run says what would be run",
    "wait": "`sweep watch` does",
    "wrap": "a job runs cells",
}


@dataclass(frozen=True)
class Options:
    """What was asked, by sbatch's names with underscores."""

    asked: Mapping[str, Any]
    signal_delay: int = _SIGNAL_DELAY

    @property
    def of_submitit(self) -> dict[str, Any]:
        """The same as parameters of submitit's executor."""
        return {
            "time": None,  # else five minutes: without a wish, the partition's own limit holds
            "signal_delay_s": self.signal_delay,
            "additional_parameters": {**self.asked, "requeue": True},
            # srun no longer takes this from sbatch (since Slurm 22.05) and would bind the process to one core
            "srun_args": [f"--cpus-per-task={self.asked['cpus_per_task']}"] if "cpus_per_task" in self.asked else [],
        }


def read(asked: Mapping[str, str]) -> Options:
    """Check what was asked. Raises `InputError`, also where Slurm or submitit is not there."""
    faults = Faults()
    absent = [name for name in ("sbatch", "srun", "squeue", "scancel") if shutil.which(name) is None]
    if absent:
        faults.add(
            f"--executor slurm: {absent[0]} is not on this machine; run it where jobs are handed in (a login node), "
            "or with --executor local"
        )
    if importlib.util.find_spec("submitit") is None:
        faults.add("--executor slurm: needs submitit: pip install 'distillaw[slurm]'")
    faults.raise_if_any()
    known = _known()
    found = {key.replace("-", "_"): text for key, text in asked.items()}
    delay = found.pop("signal_delay_s", str(_SIGNAL_DELAY))
    if not delay.isdigit():
        faults.add(f"--slurm signal_delay_s={delay}: is no whole number of seconds")
    for key, text in found.items():
        if key in _OURS:
            faults.add(f"--slurm {key}={text}: cannot be set; {_OURS[key]}")
        elif known and key not in known:
            near = nearest(key, [*known, "signal_delay_s"])
            faults.add(f"--slurm {key}={text}: sbatch has no such option{near or f'; among those it has: {_COMMON}'}")
    limit = seconds(found.get("time", ""))
    if delay.isdigit() and limit is not None and limit <= int(delay) + _LATITUDE:
        faults.add(
            f"--slurm time={found['time']}: a job would be told to stop as it starts, which is up to "
            f"{int(delay) + _LATITUDE} s before its limit; give it more time, or a shorter signal_delay_s"
        )
    faults.raise_if_any()
    return Options({key: True if text == "true" else text for key, text in found.items()}, int(delay))


def _known() -> set[str]:
    """The long options of this machine's sbatch, with underscores."""
    said = subprocess.run(["sbatch", "--help"], capture_output=True, text=True).stdout
    return {name.replace("-", "_") for name in re.findall(r"^\s.{0,6}--([a-z][a-z-]*)", said, re.MULTILINE)}


def seconds(limit: str) -> int | None:
    """A limit as sbatch reads it: minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S. None for anything else."""
    days, dash, clock = limit.rpartition("-")
    parts = clock.split(":")
    if len(parts) > 3 or not all(part.isdigit() for part in [*parts, days or "0"]):
        return None
    numbers = [int(part) for part in parts]
    hours, minutes, seconds = [*numbers, 0, 0][:3] if dash or len(numbers) == 3 else [0, *numbers, 0][:3]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
