"""Preparing a corpus: documents to tokens, once, in three files with a manifest.

The documents are read two or three times (to deal them, to train a tokenizer, to write), one after another: memory
holds a megabyte of text and its encoding, whatever the length of the corpus, and for formats that are dealt some
hundred bytes for each document. The manifest is written last: what a kill leaves is no corpus, and the same command
begins anew. Equal documents give equal files.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from fitting.errors import InputError
from sweeps import files
from sweeps.corpora import tokenizer
from sweeps.corpora.documents import Digest, Document
from sweeps.corpora.manifest import FILE, TOKENIZER, Manifest, TokenizerNote, dtype_for
from sweeps.corpora.readers import IN_TURN, Position, documents
from sweeps.corpora.shards import ShardWriter
from sweeps.corpora.source import Source
from sweeps.corpora.splitting import PARTS, Part, Size, by_hash, deal
from sweeps.corpora.tokenizer import Bytes, Tokenizer

TRAINING_BYTES = 128 * 2**20
"""Text that a tokenizer is trained on: the first so many bytes of both halves, never what is held out."""

_BATCH_BYTES = 2**20
"""Text encoded at a time."""

_LOCK = ".lock"


class Watcher(Protocol):
    """Told what is being done: a phase and its documents, as they pass."""

    def begin(self, phase: str, position: Position, n_bytes: int | None) -> None:
        """A phase begins; `n_bytes` of text lie before it where that is known."""

    def tell(self, n_bytes: int) -> None:
        """So many more bytes of text have passed."""


def prepare(source: Source, out: Path, watch: Watcher) -> Manifest:
    """Make the corpus of `source` in the folder `out`, which holds none yet.

    Raises `InputError` for what is wrong with the source, its text or the folder, before the manifest is written.
    """
    source.check()
    check_folder(out)
    with _locked(out):
        for path in (*(out / f"{part}.bin" for part in PARTS), out / TOKENIZER):
            path.unlink(missing_ok=True)
        files.remove_partials(out)
        try:
            made = _Preparation(source, watch).write(out)
            files.write_json(out / FILE, made.to_dict())
        except OSError as error:  # readers name their own
            raise InputError(f"--out: cannot write in {out}: {error.strerror}") from None
    return made


def check_folder(out: Path) -> None:
    """Raise `InputError` unless a folder is absent, empty, or holds what a kill left of a preparation."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out: {out} is a file; name a folder")
    if (out / FILE).exists():
        raise InputError(f"--out: {out} holds a corpus already; remove it, or choose another folder")
    ours = {_LOCK, TOKENIZER, *(f"{part}.bin" for part in PARTS)}
    if out.is_dir() and any(path.name not in ours and path.suffix != ".partial" for path in out.iterdir()):
        raise InputError(f"--out: {out} is not empty and holds no corpus; choose another folder")


class _Preparation:
    """The passes over one source, and what each leaves for the next."""

    def __init__(self, source: Source, watch: Watcher) -> None:
        self.source, self.watch = source, watch
        self.dealt: list[Part] | None = None
        self.n_bytes: int | None = None
        self.sha256: str | None = None
        self.trained_on: tuple[int, int] | None = None

    def write(self, out: Path) -> Manifest:
        if self.source.format in IN_TURN:
            self._deal()
        made = self._tokenizer()
        if made.definition is not None:
            files.write(out / TOKENIZER, made.definition.encode())
        source, dtype = self.source, dtype_for(made.n_vocab)
        digest = Digest()
        with ExitStack() as stack:
            writers = {part: stack.enter_context(ShardWriter(out / f"{part}.bin", dtype, made.end)) for part in PARTS}
            for batch in _batches(self._documents("writing", digest)):
                for (part, document), tokens in zip(batch, made.encode([d.text for _, d in batch]), strict=True):
                    writers[part].add(tokens, len(document.text))
            parts = {part: writer.finish() for part, writer in writers.items()}
        if self.sha256 is not None and digest.hexdigest() != self.sha256:
            raise InputError(f"{source.name}: the text changed while it was read; prepare it again")
        if empty := [part for part in PARTS if parts[part].documents == 0]:
            found = sum(shard.documents for shard in parts.values())
            many = "; where a file holds many, say which lines begin one: --document-start"
            lines = many if source.format in ("text", "bytes") and not source.document_start else ""
            raise InputError(
                f"{source.name}: {found} documents are too few to split, none is left for {', '.join(empty)}{lines}"
            )
        trained = self.trained_on or (None, None)
        return Manifest(
            name=source.name,
            about=source.about,
            licence=source.licence,
            format=source.format,
            sha256=digest.hexdigest(),
            n_vocab=made.n_vocab,
            dtype=dtype,
            tokenizer=TokenizerNote(made.kind, made.sha256, made.end, made.end_token, *trained),
            split="hashed" if self.dealt is None else "dealt",
            as_described=None if source.expected is None else source.expected.sha256 == digest.hexdigest(),
            parts=parts,
        )

    def _deal(self) -> None:
        digest, sizes = Digest(), []
        for document in self._read("reading", None):
            digest.add(document)
            sizes.append(Size.of(document))
        self.dealt = deal(sizes)[1]
        self.n_bytes, self.sha256 = sum(size.length for size in sizes), digest.hexdigest()

    def _tokenizer(self) -> Tokenizer:
        asked = self.source.vocabulary
        if asked.file is not None:
            return tokenizer.read(asked.file, asked.end)
        if asked.bpe is None:
            return Bytes()
        taken = [0, 0]

        def training() -> Iterator[bytes]:
            for part, document in self._documents("training the tokenizer"):
                if part == "validation":
                    continue
                if taken[1] and taken[1] + len(document.text) > TRAINING_BYTES:
                    return
                taken[0] += 1
                taken[1] += len(document.text)
                yield document.text

        made = tokenizer.train(training(), asked.bpe)
        self.trained_on = (taken[0], taken[1])
        return made

    def _documents(self, phase: str, digest: Digest | None = None) -> Iterator[tuple[Part, Document]]:
        """The documents with their parts; `digest` takes them too."""
        for i, document in enumerate(self._read(phase, self.n_bytes)):
            if digest is not None:
                digest.add(document)
            if self.dealt is None:
                yield by_hash(document), document
            elif i < len(self.dealt):
                yield self.dealt[i], document
            else:
                raise InputError(f"{self.source.name}: the text changed while it was read; prepare it again")

    def _read(self, phase: str, n_bytes: int | None) -> Iterator[Document]:
        position = Position()
        self.watch.begin(phase, position, n_bytes)
        for document in documents(self.source, position):
            yield document
            self.watch.tell(len(document.text))


def _batches(found: Iterable[tuple[Part, Document]]) -> Iterator[list[tuple[Part, Document]]]:
    """Documents in lists of a few megabytes."""
    batch: list[tuple[Part, Document]] = []
    size = 0
    for part, document in found:
        batch.append((part, document))
        size += len(document.text)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold a folder for oneself. Raises `InputError` when another preparation has it; a kill releases it."""
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        raise InputError("preparing a corpus needs `filelock`: pip install 'distillaw[corpora]'") from None
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / _LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"--out: another `corpus prepare` is at work in {out}; wait for it, or stop it") from None
    except OSError as error:
        raise InputError(f"--out: cannot write in {out}: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()
