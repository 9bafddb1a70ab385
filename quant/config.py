"""LayerConfig: the shapes and widths of one encoder layer, checked once and hashed.

Everything else (tables, accumulators, streams, registers) is derived from it, and its hash
travels with bundles and bitstreams: two artefacts with one hash hold the same integers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

# Widths in bits, two's complement unless said otherwise. They are those of one DSP48E2
# (27 x 18 multiplier, 48-bit accumulator) and hold for every shape inside the limits below.
ACCUMULATOR_BITS: Final = 27
MULTIPLIER_BITS: Final = 18
PRODUCT_BITS: Final = 48
EXPONENTIAL_BITS: Final = 14  # unsigned; 12 bits cost 1.2 dB at 512 tokens, 16 gain nothing
EXPONENTIAL_ENTRIES: Final = 4096
GELU_ENTRIES: Final = 256
GELU_RANGE: Final = 4  # |x| * Phi(-|x|) < 1.3e-4 beyond
CONTEXT_FRACTION_BITS: Final = 16  # of the normalised context, in steps of the value tensor
NORMALIZED_FRACTION_BITS: Final = 25  # of a row over its root of squares, |u| <= 1

# (4096 + 64) products of int8 in [-127, 127] still fit 27 bits; with biases, packing checks.
LIMITS: Final = {
    "hidden": 1024,
    "feed_forward": 4096,
    "head_size": 128,
    "sequence": 512,
    "copies": 64,
}
# Copies that a model's layers get: as many for each shape, so that a kernel serves every layer.
COPIES: Final = 64


@dataclass(frozen=True)
class LayerConfig:
    """Shape of one encoder layer and the width of its residual stream.

    hidden         E  int   [1, 1024]   channels of the residual stream, heads * head_size
    heads          H  int   >= 1        head_size D = E / H in [1, 128]
    feed_forward   F  int   [1, 4096]   channels between the two feed-forward projections
    sequence       S  int   [1, 512]    longest sequence; the length itself is a run-time value
    residual_bits     int   8 or 16     width of `hidden`, `attention_output` and `output`
    copies            int   [0, 64]     feed-forward channels added as copies of the model's

    Raises ValueError naming the value, the rule and the way out.
    """

    hidden: int
    heads: int
    feed_forward: int
    sequence: int = LIMITS["sequence"]
    residual_bits: int = 16
    copies: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name == "copies" else 1
            if type(value) is not int or value < least:
                rule = "an integer of at least 0" if least == 0 else "a positive integer"
                raise ValueError(f"{field.name} must be {rule}, not {value!r}")
        if self.hidden % self.heads:
            raise ValueError(
                f"hidden size must be a multiple of heads {self.heads}, not {self.hidden}"
            )
        for name, limit in LIMITS.items():
            if getattr(self, name) > limit:
                raise ValueError(
                    f"{name} must be at most {limit}, not {getattr(self, name)}: "
                    "the accumulator widths are derived for that limit"
                )
        if self.residual_bits not in (8, 16):
            raise ValueError(f"residual_bits must be 8 or 16, not {self.residual_bits}")

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads

    @property
    def inner(self) -> int:
        """Channels between the two feed-forward projections as they are computed."""
        return self.feed_forward + self.copies

    @property
    def mean_shift(self) -> int:
        """Shift of the 17-bit reciprocal of E that divides a row sum (see mean_multiplier)."""
        return 16 + (self.hidden - 1).bit_length()

    @property
    def mean_multiplier(self) -> int:
        """round(2**mean_shift / E), in [2**16, 2**17)."""
        return ((1 << (self.mean_shift + 1)) // self.hidden + 1) >> 1

    def as_dict(self) -> dict[str, Any]:
        """The fields and the fixed widths: all that decides which integers a layer computes."""
        return {
            **asdict(self),
            "exponential_bits": EXPONENTIAL_BITS,
            "exponential_entries": EXPONENTIAL_ENTRIES,
            "gelu_entries": GELU_ENTRIES,
            "context_fraction_bits": CONTEXT_FRACTION_BITS,
            "normalized_fraction_bits": NORMALIZED_FRACTION_BITS,
        }

    @property
    def hash(self) -> str:
        """First 16 hex digits of the sha256 of `as_dict` as canonical JSON."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LayerConfig:
        """Rebuild a config from `as_dict`; ValueError if it is of another arithmetic."""
        names = [field.name for field in fields(cls)]
        missing = [name for name in names if name not in values]
        if missing:
            raise ValueError(f"config lacks {missing[0]}: write the bundle again")
        config = cls(**{name: values[name] for name in names})
        for name, value in config.as_dict().items():
            if values.get(name) != value:
                raise ValueError(
                    f"config has {name} {values.get(name)!r}, this version computes with "
                    f"{value}: write the bundle again with `transfab golden`"
                )
        return config
