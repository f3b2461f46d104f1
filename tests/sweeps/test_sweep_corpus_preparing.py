"""Preparing: nothing is lost or shared, nothing depends on chance, and half a corpus is never taken for a whole."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from fitting.errors import InputError
from sweeps import corpora
from sweeps.corpora import Corpus, manifest, preparing, tokenizer
from sweeps.corpora.preparing import prepare
from sweeps.corpora.readers import Position, documents
from sweeps.corpora.source import Expected, Source, Vocabulary
from sweeps.corpora.splitting import PARTS
from sweeps.corpora.tokenizer import Bytes, Tokenizer

CHECKOUT = Path(__file__).resolve().parents[2]


class Silent:
    """Watches nothing."""

    def begin(self, phase: str, position: Position, n_bytes: int | None) -> None: ...

    def tell(self, n_bytes: int) -> None: ...


def texts(n: int) -> list[str]:
    return [f"document {i}: " + " ".join(f"word{(i * j) % 97}" for j in range(3 + i % 40)) + "\n" for i in range(n)]


def jsonl(path: Path, found: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in found))
    return path


def folder(path: Path, found: list[str]) -> Path:
    for i, text in enumerate(found):
        place = path / f"group{i % 5}" / f"{i:04}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())
    return path


def back(tokens: "np.ndarray[tuple[int], np.dtype[np.uint8]]", made: Tokenizer) -> list[bytes]:
    """The documents in a part's tokens."""
    ends = np.flatnonzero(tokens == made.end)
    return [made.decode(part) for part in np.split(tokens, ends + 1)[:-1] for part in [part[:-1]]]


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def parts_of(corpus: Corpus, made: Tokenizer) -> list[list[bytes]]:
    return [back(tokens, made) for tokens in (corpus.teacher, corpus.student, corpus.validation)]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=100, max_size=130))
def test_every_document_is_in_one_part_whole(found: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        source = Source("x", "jsonl", (jsonl(Path(name) / "a.jsonl", found),))
        try:
            prepare(source, Path(name) / "out", Silent())
        except InputError:  # equal texts go together, and may leave a part with none
            reject()
        parts = parts_of(corpora.load(Path(name) / "out"), Bytes())
    assert Counter(text for part in parts for text in part) == Counter(text.encode() for text in found)
    for i, part in enumerate(parts):  # by hash: not even equal texts are in two parts
        assert not set(part) & {text for other in parts[i + 1 :] for text in other}


@pytest.mark.parametrize("bpe", [None, 300])
def test_a_folder_is_dealt_as_in_memory_and_nothing_is_lost(bpe: int | None, tmp_path: Path) -> None:
    source = Source("x", "text", (folder(tmp_path / "in", texts(200)),), vocabulary=Vocabulary(bpe))
    found = prepare(source, tmp_path / "out", Silent())
    made = tokenizer.read(tmp_path / "out" / "tokenizer.json", None) if bpe else Bytes()
    in_memory = corpora.split(documents(source, Position()))
    for part, tokens in zip(PARTS, parts_of(corpora.load(tmp_path / "out"), made), strict=True):
        assert sorted(tokens) == sorted(document.text for document in getattr(in_memory, part))
        assert found.parts[part].documents == len(tokens)
    assert found.split == "dealt"
    assert found.bytes == sum(len(text.encode()) for text in texts(200))


def test_the_standard_library_is_split_as_the_registered_one(tmp_path: Path) -> None:
    prepare(Source("stdlib", "stdlib"), tmp_path / "out", Silent())
    found, registered = corpora.load(tmp_path / "out"), corpora.load("stdlib")
    for one, other in zip(parts_of(found, Bytes()), parts_of(registered, Bytes()), strict=True):
        assert sorted(one) == sorted(other)
    assert found.identity != registered.identity == "stdlib"


def test_a_full_disk_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(preparing.ShardWriter, "finish", full)
    source = Source("x", "jsonl", (jsonl(tmp_path / "a.jsonl", texts(100)),))
    with pytest.raises(InputError, match=r"--out: cannot write in .*out: No space left on device"):
        prepare(source, tmp_path / "out", Silent())


def test_a_stream_in_small_pieces_gives_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("x", "jsonl", (jsonl(tmp_path / "a.jsonl", texts(300)),), vocabulary=Vocabulary(350))
    prepare(source, tmp_path / "whole", Silent())
    monkeypatch.setattr(preparing, "_BATCH_BYTES", 50)
    prepare(source, tmp_path / "pieces", Silent())
    assert contents(tmp_path / "whole") == contents(tmp_path / "pieces")


def test_a_tokenizer_learns_from_the_halves_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("x", "jsonl", (jsonl(tmp_path / "a.jsonl", texts(300)),), vocabulary=Vocabulary(350))
    found = prepare(source, tmp_path / "out", Silent())
    halves = [found.parts["teacher"], found.parts["student"]]
    assert found.tokenizer.trained_on_documents == sum(half.documents for half in halves)
    assert found.tokenizer.trained_on_bytes == sum(half.bytes for half in halves)
    corpus = corpora.load(tmp_path / "out")
    made = tokenizer.read(tmp_path / "out" / "tokenizer.json", None)
    teacher, student, _ = parts_of(corpus, made)
    assert tokenizer.train([*teacher, *student], 350).sha256 == corpus.tokenizer_sha256
    monkeypatch.setattr(preparing, "TRAINING_BYTES", 10_000)
    sampled = prepare(source, tmp_path / "sampled", Silent())
    assert 9_000 < (sampled.tokenizer.trained_on_bytes or 0) <= 10_000


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    text = "x" * 20_000
    path = jsonl(tmp_path / "a.jsonl", [f"{i}{text}" for i in range(1500)])
    assert path.stat().st_size > 30e6
    tracemalloc.start()
    try:
        prepare(Source("x", "jsonl", (path,)), tmp_path / "out", Silent())
        peak = tracemalloc.get_traced_memory()[1]
        corpus = corpora.load(tmp_path / "out")
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        corpora.batch(corpus.student, seed=0, step=0, n_ctx=128, windows=8)
        read = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 8e6
    assert read < 2e6
    assert isinstance(corpus.student, np.memmap)


def test_equal_texts_give_equal_files_in_any_process(tmp_path: Path) -> None:
    folder(tmp_path / "in", texts(100))
    runs = []
    for seed, threads in (("0", "1"), ("7", "3")):
        command = f"corpus prepare {tmp_path}/in --format text --bpe 300 --name x --out {tmp_path}/{seed}".split()
        environment = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads}
        code = f"import sys; sys.argv[1:] = {command!r}; from planner.cli import main; main()"
        runs.append(subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=CHECKOUT))
    assert [run.wait() for run in runs] == [0, 0]
    assert contents(tmp_path / "0") == contents(tmp_path / "7")


SLOW = """
import sys, time
from pathlib import Path
from sweeps.corpora.preparing import prepare
from sweeps.corpora.source import Source, Vocabulary

class Stuck:
    def begin(self, phase, position, n_bytes):
        self.phase, self.documents = phase, 0
    def tell(self, n_bytes):
        self.documents += 1
        if (self.phase, self.documents) == (sys.argv[3], 150):
            print("stuck", flush=True)
            time.sleep(600)

prepare(Source("x", "text", (Path(sys.argv[1]),), vocabulary=Vocabulary(300)), Path(sys.argv[2]), Stuck())
"""


@pytest.mark.parametrize("phase", ["training the tokenizer", "writing"])
def test_a_kill_leaves_no_corpus_and_the_same_command_makes_it(phase: str, tmp_path: Path) -> None:
    found, out = folder(tmp_path / "in", texts(200)), tmp_path / "out"
    source = Source("x", "text", (found,), vocabulary=Vocabulary(300))
    run = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(found), str(out), phase], stdout=subprocess.PIPE, cwd=CHECKOUT
    )
    assert run.stdout is not None
    assert run.stdout.readline() == b"stuck\n"
    with pytest.raises(InputError, match="another `corpus prepare` is at work"):
        prepare(source, out, Silent())
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    with pytest.raises(InputError, match=r"distillaw corpus prepare \.\.\. --out"):
        corpora.load(out)
    prepare(source, out, Silent())
    prepare(source, tmp_path / "undisturbed", Silent())
    assert contents(out) == contents(tmp_path / "undisturbed")


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    source = Source("small", "jsonl", (jsonl(tmp_path / "a.jsonl", texts(300)),), vocabulary=Vocabulary(300))
    prepare(source, tmp_path / "small", Silent())
    return tmp_path / "small"


def test_a_corpus_is_the_same_wherever_it_lies(prepared: Path, tmp_path: Path) -> None:
    before = corpora.load(prepared)
    moved = corpora.load(prepared.rename(tmp_path / "elsewhere"))
    assert moved.source != before.source
    assert (moved.identity, moved.describe()) == (before.identity, before.describe())
    assert str(tmp_path) not in json.dumps(moved.describe())
    assert moved.identity == f"small@{moved.sha256[:16]}-{moved.tokenizer_sha256[:16]}"
    source = Source("small", "jsonl", (tmp_path / "a.jsonl",))
    prepare(source, tmp_path / "bytes", Silent())
    other = corpora.load(tmp_path / "bytes")
    assert (other.sha256, other.tokenizer_sha256) == (moved.sha256, Bytes.sha256)
    assert other.identity != moved.identity


def test_shards_that_are_not_whole_are_all_named(prepared: Path) -> None:
    (prepared / "teacher.bin").write_bytes((prepared / "teacher.bin").read_bytes()[:-2])
    (prepared / "validation.bin").unlink()
    with pytest.raises(InputError) as caught:
        corpora.load(prepared)
    torn, missing = caught.value.faults
    assert torn.startswith(f"{prepared / 'teacher.bin'}: has ")
    assert missing.startswith(f"{prepared / 'validation.bin'}: is missing; prepare the corpus anew")


def test_verifying_finds_a_changed_byte_and_a_changed_tokenizer(prepared: Path) -> None:
    manifest.verify(prepared, manifest.read(prepared))
    content = bytearray((prepared / "student.bin").read_bytes())
    content[1000] ^= 1
    (prepared / "student.bin").write_bytes(content)
    made = (prepared / "tokenizer.json").read_text()
    (prepared / "tokenizer.json").write_text(made.replace('"add_prefix_space":false', '"add_prefix_space":true', 1))
    corpora.load(prepared)  # what training opens is not hashed each time
    with pytest.raises(InputError) as caught:
        manifest.verify(prepared, manifest.read(prepared))
    shard, encoder = caught.value.faults
    assert shard.startswith(f"{prepared / 'student.bin'}: its contents changed")
    assert encoder.startswith(f"{prepared / 'tokenizer.json'}: is not the tokenizer of this corpus")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda text: text[: len(text) // 2], "is no manifest that this version can read"),
        (lambda text: "[]", "is no manifest that this version can read"),
        (lambda text: text.replace("corpus/1", "corpus/2"), "schema 'distillaw/corpus/2', not 'distillaw/corpus/1'"),
        (lambda text: text.replace('"<u2"', '"<u8"'), "dtype or parts are not those of a corpus"),
        (lambda text: text.replace('"licence"', '"license"'), "is no manifest that this version can read"),
    ],
)
def test_a_manifest_that_is_none_is_refused(change: object, fault: str, prepared: Path) -> None:
    path = prepared / "manifest.json"
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(InputError, match="prepare the corpus anew") as caught:
        corpora.load(prepared)
    assert str(caught.value).startswith(f"{path}: ")
    assert fault in str(caught.value)


def test_too_few_documents_are_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("all in one file\n" * 100)
    source = Source("one", "text", (tmp_path / "one.txt",))
    with pytest.raises(
        InputError, match="1 documents are too few to split, none is left for student, validation; wher"
    ):
        prepare(source, tmp_path / "out", Silent())
    assert not (tmp_path / "out" / "manifest.json").exists()
    prepare(replace(source, document_start="^all"), tmp_path / "out", Silent())


def test_text_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    place = folder(tmp_path / "in", texts(100))

    class Meddler(Silent):
        def begin(self, phase: str, position: Position, n_bytes: int | None) -> None:
            if phase == "writing":
                (place / "group0" / "0005.txt").write_text("other")

    with pytest.raises(InputError, match="the text changed while it was read"):
        prepare(Source("x", "text", (place,)), tmp_path / "out", Meddler())
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_text_is_held_against_its_description(tmp_path: Path) -> None:
    source = Source("x", "jsonl", (jsonl(tmp_path / "a.jsonl", texts(300)),))
    found = prepare(source, tmp_path / "unsaid", Silent())
    assert found.as_described is None
    stated = Expected(found.documents, found.bytes, found.sha256)
    assert prepare(replace(source, expected=stated), tmp_path / "same", Silent()).as_described is True
    other = prepare(replace(source, expected=replace(stated, sha256="0" * 64)), tmp_path / "other", Silent())
    assert other.as_described is False
