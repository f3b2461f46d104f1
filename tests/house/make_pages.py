"""What the documents show of the program, made anew: `make pages`, after a change of what it prints or of the pilot.

The lines under the commands of docs/how-to-choose.md, and the outputs of the notebook docs/own-runs.ipynb. The tests
hold both against the program; nothing else in the pages is touched.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
ANSWERS = CHECKOUT / "docs" / "how-to-choose.md"
NOTEBOOK = CHECKOUT / "docs" / "own-runs.ipynb"

MORE = "..."
"""The last line of an output of which only the first lines are shown."""

_SECONDS = 600
"""Until the kernel is there, and for a cell: enough for a busy machine."""


def refreshed(text: str, printed: Callable[[list[str]], str]) -> str:
    """A page whose commands with an output have the output that they print now, cut to as many lines as before."""

    def block(found: re.Match[str]) -> str:
        parts = re.split(r"^\$ ", found[1], flags=re.MULTILINE)[1:]
        return "```console\n" + "".join(f"$ {_shown(part, printed)}" for part in parts) + "```"

    return re.sub(r"```console\n(.*?)```", block, text, flags=re.DOTALL)


def _shown(part: str, printed: Callable[[list[str]], str]) -> str:
    command, *lines = part.rstrip("\n").split("\n")
    if not lines:
        return f"{command}\n"
    now = [line.rstrip() for line in printed(shlex.split(command)).strip().splitlines()]
    if lines[-1] == MORE:
        now = [*now[: len(lines) - 1], MORE]
    return "\n".join([command, *now]) + "\n"


def executed(path: Path = NOTEBOOK) -> Any:
    """The notebook after a run from nothing, where it lies, without what differs from run to run. Any error raises."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
        startup_timeout=_SECONDS,
        timeout=_SECONDS,
        record_timing=False,
        coalesce_streams=True,
    ).execute()
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
        for output in cell.get("outputs", []):
            if len(output.get("data", {})) > 1:
                output.data.pop("text/plain", None)  # a repr with all digits, beside what a reader sees
    return notebook


def main() -> None:
    import nbformat

    def printed(words: list[str]) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from planner.cli import main; main()", *words[1:]],
            capture_output=True, text=True, check=True, cwd=folder, env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        return done.stdout

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(CHECKOUT / "data", folder / "data")
        ANSWERS.write_text(refreshed(ANSWERS.read_text(), printed))
    if NOTEBOOK.exists():
        nbformat.write(executed(), NOTEBOOK)


if __name__ == "__main__":
    main()
