"""What the commands on a sweep share: the flag `--json`, and its answer."""

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def print_json(schema: str, content: Mapping[str, Any]) -> None:
    """Print one object that says what it is."""
    json.dump({"schema": schema, **content}, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")
