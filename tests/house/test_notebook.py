"""docs/own-runs.ipynb runs from nothing, and what it shows is what it then prints; `make pages` makes it anew."""

import base64
import importlib.util
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("make_pages", CHECKOUT / "tests" / "house" / "make_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kept(pages):
    import nbformat

    return nbformat.read(pages.NOTEBOOK, as_version=4)


def outputs(notebook):
    """Of each cell the texts it shows, and its pictures."""
    words, pictures = [], []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {"text/plain": output.get("text")})
            pictures += [data["image/png"]] if "image/png" in data else []
            words.append({kind: text for kind, text in data.items() if kind != "image/png"})
    return words, pictures


def test_the_notebook_shows_what_it_prints(pages, kept):
    """A cell that fails raises. Another version of a font may move an edge in the picture."""
    from matplotlib.image import imread

    made = pages.executed()
    (words, pictures), (words_kept, pictures_kept) = outputs(made), outputs(kept)
    assert [cell.source for cell in made.cells] == [cell.source for cell in kept.cells]
    assert words == words_kept, "make pages"
    assert len(pictures) == len(pictures_kept) == 1
    drawn, shown = (imread(io.BytesIO(base64.b64decode(text[0]))) for text in (pictures, pictures_kept))
    assert drawn.shape == shown.shape
    assert np.abs(drawn - shown).mean() < 0.005


def test_the_notebook_holds_nothing_of_the_machine(pages, kept):
    text = pages.NOTEBOOK.read_text()
    assert str(CHECKOUT) not in text
    assert not re.search(r"/(home|root|tmp|Users)/", text)
    assert set(json.loads(text)["metadata"]) == {"kernelspec"}
    assert all(not cell.metadata for cell in kept.cells)
    assert not [output for cell in kept.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]


def test_the_words_around_the_cells_have_no_numbers_of_the_table(kept):
    """The table may be replaced: what a reader is told of it is printed. `90 %` is a choice, not a finding."""
    for cell in kept.cells:
        if cell.cell_type == "markdown":
            told = re.sub(r"`[^`]*`|\]\([^)]*\)|90 %", "", cell.source)
            assert not re.search(r"\d", told), told


def test_outputs_are_cut_to_as_many_lines_as_the_page_had(pages):
    page = "```console\n$ distillaw a\nold\n...\n$ distillaw b\n$ distillaw c\nall\n```\nold\n"
    printed = {"a": "one\ntwo  \nthree\n", "c": "x\n\ny\n"}
    found = pages.refreshed(page, lambda words: printed[words[1]])
    assert found == "```console\n$ distillaw a\none\n...\n$ distillaw b\n$ distillaw c\nx\n\ny\n```\nold\n"
