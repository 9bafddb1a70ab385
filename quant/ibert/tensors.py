"""The tensors and settings of a Hugging Face I-BERT folder, each checked as it is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]

# A range that was never calibrated is +-1e-5; the model itself looks for 1.1e-5.
UNCALIBRATED = 1.1e-5
CALIBRATE = "run the model in quant_mode in training mode on some text and save it again"
_RULES: dict[str, tuple[Any, Any, str]] = {
    "model_type": ("ibert", None, "give the folder of an I-BERT"),
    "quant_mode": (True, False, CALIBRATE),
    "force_dequant": ("none", "none", "train it with integer operators only"),
    "hidden_act": ("gelu", "gelu", "I-BERT has no other"),
}


@dataclass(frozen=True)
class CheckpointTensors:
    """A folder with config.json and safetensors; every read names what is missing or unfit."""

    folder: Path

    def check(self) -> None:
        """Raise ValueError unless the folder holds an I-BERT in quant_mode in safetensors."""
        for key, (wanted, default, way_out) in _RULES.items():
            got = self._settings.get(key, default)
            if got != wanted:
                raise ValueError(f"{key} must be {wanted}, not {got}: {way_out} ({self.folder})")
        for key in ("num_hidden_layers", "num_attention_heads"):
            self.size(key)
        if not self._files:
            raise ValueError(
                f"{self.folder} has no .safetensors weights; pickled ones are never opened: "
                "save the model with safe_serialization=True"
            )

    @cached_property
    def _settings(self) -> dict[str, Any]:
        path = self.folder / "config.json"
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as err:
            raise ValueError(
                f"{self.folder} has no config.json: give the folder of an I-BERT"
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
            except (SafetensorError, OSError) as err:
                raise ValueError(f"{path} is not safetensors ({err}): download it again") from err
            where |= {name.removeprefix("ibert."): (path, name) for name in names}
        return where

    def size(self, key: str) -> int:
        """A positive integer of the settings."""
        value = self._settings.get(key)
        if type(value) is not int or value < 1:
            raise ValueError(f"{key} must be a positive integer, not {value}: {self.folder}")
        return value

    def read(self, name: str) -> Float32Array:
        """One tensor, finite float32.

        Raises ValueError when it is missing, of another type, or has a value that is not finite.
        """
        from safetensors import safe_open

        if name not in self._where:
            raise ValueError(f"{self.folder} has no tensor {name}: {CALIBRATE}")
        path, stored = self._where[name]
        with safe_open(path, framework="numpy") as file:
            kind = file.get_slice(stored).get_dtype()
            if kind != "F32":
                raise ValueError(
                    f"{name} must be float32 (F32), not {kind}: save the model in float32"
                )
            values: Float32Array = file.get_tensor(stored)
        if not np.isfinite(values).all():
            bad = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(
                f"{name} must be finite, not {values.reshape(-1)[bad]} at element {bad}: "
                f"{CALIBRATE}"
            )
        return values

    def positive(self, name: str) -> Float32Array:
        """One tensor of scales, finite and above 0: 0 means that quant_mode never ran."""
        values = self.read(name)
        if not values.size or not (values > 0).all():
            worst = values.min() if values.size else "empty"
            raise ValueError(f"scale {name} must be positive, not {worst}: {CALIBRATE}")
        return values

    def activation_scale(self, name: str, bits: int) -> Float32Array:
        """(1,) float32 scale of an activation from its range, checked against the saved one.

        name  of the QuantAct, with x_min, x_max and act_scaling_factor below it

        Raises ValueError when one of them is missing, not finite or not a single value, the
        range was never calibrated, or range and scale disagree.
        """
        low, high = self.read(f"{name}.x_min"), self.read(f"{name}.x_max")
        saved = self.positive(f"{name}.act_scaling_factor")
        if {low.size, high.size, saved.size} != {1}:
            raise ValueError(
                f"{name} must have one x_min, x_max and act_scaling_factor, not {low.size}, "
                f"{high.size} and {saved.size}"
            )
        reach = np.maximum(np.abs(low), np.abs(high)).reshape(1)
        if reach[0] <= UNCALIBRATED:
            raise ValueError(
                f"range of {name} must be calibrated, not [{low.item()}, {high.item()}]: "
                f"{CALIBRATE}"
            )
        scale = np.asarray(reach / np.float32((1 << (bits - 1)) - 1), np.float32)
        if abs(saved.item() - scale.item()) > 1e-6 * scale.item():
            raise ValueError(
                f"scale {name}.act_scaling_factor must be {scale.item():.9g}, as its range gives, "
                f"not {saved.item():.9g}: {CALIBRATE}"
            )
        return scale
