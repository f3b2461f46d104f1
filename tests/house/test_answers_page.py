"""docs/faq.md: every code that the program can put at the end of a message is a heading; and links of all documents."""

import ast
import re
from pathlib import Path

import pytest

from planner.comparison import _SUMMARIES

CHECKOUT = Path(__file__).resolve().parents[2]
ROOMS = ["fitting", "planner", "sweeps", "paper_figs"]
PAGE = (CHECKOUT / "docs" / "faq.md").read_text()
HEADINGS = re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)

COMPUTED = {
    "fitting/fit_file.py": set(),  # what a file says that was a code when it was written
    "fitting/checks/compute.py": {"compute-column"},  # compute-C, compute-C_logits, compute-C_teacher
    "planner/comparison.py": set(_SUMMARIES),
    "planner/families/decision.py": {"capacity-gap", "weak-teacher"},
    "planner/teachers/doubts.py": {"corpus-unknown", "tokenizer-unknown"},
    "planner/teachers/report.py": set(),  # those of the candidates again
}
"""Files that make a code of something else than its letters, and the headings that those lead to."""


def codes() -> tuple[set[str], set[str]]:
    """The codes that are written out in a call of `Doubt` or `Finding`, and the files that have others."""
    written, computed = set(), set()
    for path in (path for room in ROOMS for path in (CHECKOUT / room).rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
                continue
            if call.func.id not in ("Doubt", "Finding"):
                continue
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            code = call.args[0] if call.args else given.get("code")
            if isinstance(code, ast.Constant):
                written.add(code.value)
            else:
                computed.add(str(path.relative_to(CHECKOUT)))
    return written, computed


def of_the_page() -> set[str]:
    """The codes of the calculator, which is written in JavaScript."""
    texts = [path.read_text() for path in (CHECKOUT / "planner" / "page").glob("*.js")]
    return {code for text in texts for code in re.findall(r"\bdoubt\(\s*\"([a-z0-9-]+)\"", text)}


def test_every_code_has_an_answer():
    written, computed = codes()
    assert len(written) > 50
    assert computed == set(COMPUTED)
    assert len(of_the_page()) > 5
    emitted = written | set().union(*COMPUTED.values()) | of_the_page()
    assert emitted - set(HEADINGS) == set()


def test_every_section_on_a_code_is_on_one_that_there_is():
    """The questions before them are people's, and stand for themselves."""
    written, _ = codes()
    sections = set(re.findall(r"^## (.+)$", PAGE.partition("\n# Warnings about plans")[2], flags=re.MULTILINE))
    assert len(sections) > 50
    assert sections - written - set().union(*COMPUTED.values()) == set()


def test_no_heading_stands_twice():
    assert len(HEADINGS) == len(set(HEADINGS))


DOCUMENTS = [
    *sorted(str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "docs").rglob("*.md")),
    "docs/own-runs.ipynb",
    "README.md",
    "data/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
]


def anchors(path: Path) -> set[str]:
    """What a forge makes of a document's headings: small letters, no signs, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    """To files that are there, and where they name a heading, to one that is there."""
    text = re.sub(r"```.*?```", "", (CHECKOUT / document).read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        path = (CHECKOUT / document).parent / name if name else CHECKOUT / document
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target
