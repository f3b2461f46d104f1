"""Opening a causal language model from a local Hugging Face folder or a GGUF file, without running code of its own.

Nothing is fetched. Of a folder, weights must be safetensors and the architecture one that `transformers` ships.
"""

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from fitting.errors import Faults, InputError
from sweeps.checkpoints import CheckpointError
from sweeps.corpora.tokenizer import Bytes, Encoding, read
from sweeps.teachers.pretrained import Pretrained

if TYPE_CHECKING:
    from sweeps.corpora import Corpus

_PROBES = (
    "The quick brown fox jumps over the lazy dog.",
    "def f(x):\n    return x ** 2 + 10_000  # naïve\n\n\tpass\r\n",
    " leading,  double   and trailing spaces  ",
    "1234567890 3.14159 0xFF 2026-11-21",
    "Ünïcödé ½ ﬁ é 漢字 かな العربية 🙂👩‍👩‍👧",
    "don't I'll WE'VE CamelCase snake_case ALLCAPS",
    "<|endoftext|> </s> <unk> [SEP]",
)
"""Texts on which tokenizers that share a vocabulary may still part."""


def load(path: Path, *, n_ctx: int, dtype: torch.dtype = torch.float32) -> Pretrained:
    """The model at `path` as a teacher of students that see `n_ctx` tokens.

    Raises `InputError` for what is no causal language model that can be loaded so, with every fault, and
    `CheckpointError` for weights that are damaged or belong to another shape.
    """
    arguments = _arguments(path)
    import transformers

    config = _config(path, transformers, arguments)
    longest = getattr(config, "max_position_embeddings", None)
    if longest is not None and n_ctx > longest:
        raise InputError(f"{path}: sees {longest} tokens at most and its student {n_ctx}; choose a shorter context")
    try:
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            **arguments, dtype=dtype, output_loading_info=True
        )
    except Exception as error:  # readers of damaged files raise whatever their parsing ran into
        raise CheckpointError(f"{path}: cannot be loaded ({_first_line(error)})") from error
    lacking = sorted(report["missing_keys"]) + sorted(str(key[0]) for key in report["mismatched_keys"])
    if lacking:
        named = ", ".join(lacking[:4]) + (f" and {len(lacking) - 4} more" if len(lacking) > 4 else "")
        raise CheckpointError(f"{path}: its weights are not those of its configuration: {named} missing or other-sized")
    tokenizer = tokenizer_of(path)
    rows = len(model.get_output_embeddings().weight)
    n_vocab = rows if tokenizer is None else tokenizer.n_vocab
    if n_vocab > rows:
        raise CheckpointError(f"{path}: its tokenizer knows {n_vocab} tokens and its head {rows}")
    found = digest(path, dtype)
    return Pretrained(model, name=str(path), digest=found, n_vocab=n_vocab, n_ctx=n_ctx, tokenizer=tokenizer)


def digest(path: Path, dtype: torch.dtype = torch.float32) -> str:
    """What tells this teacher from others: SHA-256 over its files and the precision it runs in. Loads no weights."""
    inside = [path / "config.json", path / "tokenizer.json", *sorted(path.glob("*.safetensors"))]
    total = hashlib.sha256(str(dtype).encode())
    for part in [path] if path.is_file() else [part for part in inside if part.exists()]:
        with part.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def tokenizer_of(path: Path) -> Encoding | None:
    """The tokenizer of a folder, or inside a GGUF file; None where there is none. Its `definition` is what
    `distillaw corpus prepare --tokenizer` takes."""
    if path.is_file():
        arguments = _arguments(path)
        import transformers

        found = transformers.AutoTokenizer.from_pretrained(**arguments)
        return Encoding(found.backend_tokenizer.to_str(), end=found.eos_token)
    if not (path / "tokenizer.json").exists():
        return None
    settings = path / "tokenizer_config.json"
    end = json.loads(settings.read_text(encoding="utf-8")).get("eos_token") if settings.exists() else None
    return read(path / "tokenizer.json", end["content"] if isinstance(end, dict) else end)


def require_same_tokenizer(corpus: "Corpus", teacher: Pretrained) -> None:
    """Raise `InputError` unless the corpus was made with the teacher's own tokenizer.

    Equal hashes settle it. A GGUF file writes the same tokenizer in other words, so with other hashes the whole
    vocabulary and a set of awkward texts must come out equal.
    """
    theirs = teacher.tokenizer
    if theirs is None:
        raise InputError(f"{teacher.name}: has no tokenizer.json, so nothing shows that its tokens are the corpus's")
    if theirs.sha256 == corpus.tokenizer_sha256:
        return
    if corpus.n_vocab != theirs.n_vocab:
        difference: str | None = f"it has {theirs.n_vocab} tokens, and the corpus {corpus.n_vocab}"
    elif corpus.tokenizer_sha256 == Bytes.sha256:
        difference = "the corpus is bytes"
    else:
        mine = (Path(corpus.source) / "tokenizer.json").read_text(encoding="utf-8")
        difference = _difference(mine, str(theirs.definition))
    if difference is not None:
        raise InputError(
            f"{teacher.name}: its tokenizer is not that of the corpus {corpus.name}: {difference}; prepare the corpus "
            "with the teacher's own (distillaw corpus prepare --tokenizer)"
        )


def _difference(mine: str, theirs: str) -> str | None:
    """The first difference between the tokenizers of a corpus and of a teacher, in words."""
    import tokenizers

    one, other = tokenizers.Tokenizer.from_str(mine), tokenizers.Tokenizer.from_str(theirs)
    ours, others = one.get_vocab(with_added_tokens=True), other.get_vocab(with_added_tokens=True)
    for token in sorted(ours.keys() | others.keys()):
        if ours.get(token) != others.get(token):
            return f"{token!r} is token {others.get(token)}, and the corpus's {ours.get(token)}"
    for text in _PROBES:
        pieces = [tokenizer.encode(text, add_special_tokens=False).tokens for tokenizer in (one, other)]
        if pieces[0] != pieces[1]:
            return f"it cuts {text!r} into {' '.join(pieces[1])}, and the corpus's into {' '.join(pieces[0])}"
    return None


def _arguments(path: Path) -> dict[str, Any]:
    """What `from_pretrained` is told; checks all that can be known without `transformers` reading anything."""
    faults = Faults()
    gguf = path.suffix == ".gguf"
    needed = ["transformers", "gguf", "accelerate"] if gguf else ["transformers"]
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        faults.add(f"{path}: needs {' and '.join(absent)}: pip install 'distillaw[transformers]'")
    if path.is_dir():
        faults.extend(_folder_faults(path))
    elif not path.is_file() or not gguf:
        faults.add(f"{path}: is neither the folder of a Hugging Face model nor a GGUF file")
    faults.raise_if_any()
    usual = {"trust_remote_code": False, "local_files_only": True}
    if gguf:
        return {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name, **usual}
    return {"pretrained_model_name_or_path": str(path), "use_safetensors": True, **usual}


def _folder_faults(folder: Path) -> list[str]:
    """What is missing from a folder, and what in it asks for code of its own."""
    faults = []
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        if not path.exists():
            if name == "config.json":
                faults.append(f"{folder}: has no config.json, so it is no Hugging Face model")
            continue
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            faults.append(f"{path}: is no JSON ({error})")
            continue
        if "auto_map" in content:
            faults.append(
                f"{path}: asks to run code of its own (auto_map), which is never done; if transformers ships "
                f"{content.get('model_type', 'this architecture')!r} itself, remove auto_map"
            )
    index = folder / "model.safetensors.index.json"
    if index.exists():
        try:
            named = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return [*faults, f"{index}: does not say which file holds which weights ({error!r})"]
        lost = [name for name in named if not (folder / name).exists()]
        faults += [f"{folder / name}: missing, although {index.name} names it" for name in lost]
    elif not any(folder.glob("*.safetensors")):
        pickled = ", only pickles (.bin), which can run code; save it again with save_pretrained"
        faults.append(f"{folder}: has no weights (*.safetensors){pickled if any(folder.glob('*.bin')) else ''}")
    return faults


def _config(path: Path, transformers: Any, arguments: dict[str, Any]) -> Any:
    """The model's configuration; it must be a causal language model's."""
    names = transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    try:
        config = transformers.AutoConfig.from_pretrained(
            **{key: value for key, value in arguments.items() if key != "use_safetensors"}
        )
    except Exception as error:  # as above
        raise InputError(f"{path}: is no model that transformers knows ({_first_line(error)})") from error
    causal = {name for value in names.values() for name in ([value] if isinstance(value, str) else value)}
    saved = config.architectures or []
    if config.model_type not in names or (saved and causal.isdisjoint(saved)):
        what = ", ".join(saved) or config.model_type
        raise InputError(f"{path}: is {what}, no causal language model; a teacher must predict the next token")
    return config


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
