"""Writing what is drawn: a whole file or none, and a message where it cannot be."""

from pathlib import Path

from fitting.errors import InputError


def write(path: Path, content: bytes) -> Path:
    """Write a file. Raises `InputError` that names it, and leaves no part of it, where it cannot be written whole."""
    try:
        path.write_bytes(content)
    except OSError as error:
        if path.is_file():
            path.unlink(missing_ok=True)  # a picture cut short would look like one that is done
        raise InputError(f"--out: {path} cannot be written: {error.strerror or error}; name another folder") from None
    return path
