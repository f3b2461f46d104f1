"""What a tokenizer is called in tables and laws, where a hash would say nothing to a person."""

from sweeps.corpora.tokenizer import Bytes


def tokenizer_name(n_vocab: int, sha256: str) -> str:
    """ "bytes", or "bpe-" with the size of the vocabulary and the beginning of the hash: another tokenizer, another
    name."""
    return "bytes" if sha256 == Bytes.sha256 else f"bpe-{n_vocab}-{sha256[:8]}"
