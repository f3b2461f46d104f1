"""Parquet files with the text in a column."""

from collections.abc import Iterator
from typing import Any

from fitting.errors import InputError
from sweeps.corpora.documents import Document
from sweeps.corpora.readers.finding import Found, find
from sweeps.corpora.readers.position import Position
from sweeps.corpora.source import Source

_ROWS = 256
"""Rows in memory at a time."""


def read_parquet(source: Source, position: Position) -> Iterator[Document]:
    """A document for every row. Raises `InputError` for files without that column of text, and for empty cells."""
    found = find(source)
    position.expect([file.path for file in found])
    for file in found:
        yield from _documents(file, source.field, position)


def _documents(file: Found, field: str, position: Position) -> Iterator[Document]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("Parquet needs `pyarrow`: pip install 'distillaw[corpora]'") from None
    row, rows = 0, 1
    size = file.path.stat().st_size
    position.begin(file.path, lambda: size * row / rows)
    try:
        with pyarrow.parquet.ParquetFile(file.path) as opened:
            _check_column(opened.schema_arrow, file, field, pyarrow)
            rows = max(1, opened.metadata.num_rows)
            for batch in opened.iter_batches(batch_size=_ROWS, columns=[field]):
                for text in batch.column(0).to_pylist():
                    row += 1
                    if text is None:
                        raise InputError(f"{file.path}, row {row}: column {field!r} is empty; remove the row")
                    yield Document(f"{file.name}:{row}", "", text.encode())
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{file.path}: is no Parquet file that can be read ({error})") from None


def _check_column(schema: Any, file: Found, field: str, pyarrow: Any) -> None:
    if field not in schema.names:
        raise InputError(
            f"{file.path}: has no column {field!r}; it has {', '.join(schema.names)}; name one with --field"
        )
    kind = schema.field(field).type
    if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
        raise InputError(f"{file.path}: column {field!r} must be text, not {kind}; name another with --field")
