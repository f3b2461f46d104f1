"""The journal and the files: what a kill leaves can be read."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from sweeps import files, journal
from sweeps.journal import Entry, Journal

ENTRY = Entry(1, 1024, 1e9, 0.0, 5.5, 5.6, None, 1e-3, 1e4)


def write(path: Path, *steps: int, loss: float = 5.5) -> None:
    with Journal(path) as log:
        for step in steps:
            log.append(replace(ENTRY, step=step, train_loss=loss))


def test_entries_come_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert journal.read(path) == []
    with Journal(path) as log:
        log.append(ENTRY)
    assert journal.read(path) == [ENTRY]


def test_a_resumed_run_overwrites_its_own_steps(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, 1, 2, 3)
    write(path, 2, 3, 4, loss=4.0)
    assert [(entry.step, entry.train_loss) for entry in journal.read(path)] == [(1, 5.5), (2, 4.0), (3, 4.0), (4, 4.0)]
    assert len(path.read_text().splitlines()) == 6  # nothing is removed


@pytest.mark.parametrize("torn", ['{"step": 3, "tok', "{}", "[1, 2]", "\x00\x00\x00", '{"step": null}', '"\udcff'])
def test_a_torn_last_line_is_left_out_and_the_next_is_whole(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, 1, 2)
    with path.open("a", errors="surrogateescape") as file:
        file.write(torn)
    assert [entry.step for entry in journal.read(path)] == [1, 2]
    write(path, 3)
    assert [entry.step for entry in journal.read(path)] == [1, 2, 3]


def test_what_is_lost_is_put_back_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, 1, 3)
    entries = [replace(ENTRY, step=step) for step in (1, 2, 3)]
    journal.restore(path, entries)
    assert journal.read(path) == entries
    before = path.read_bytes()
    assert before.count(b"\n") == 3
    journal.restore(path, entries)
    assert path.read_bytes() == before


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    files.write_json(path, {"a": 1})

    def killed(*_: object) -> None:
        raise OSError(errno.EIO, "killed before the rename")

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(OSError, match="killed"):
        files.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [one.name for one in tmp_path.iterdir()] == [path.name]  # nor does a half lie on a disk that is full


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "record.json", {"loss": float("nan")})
