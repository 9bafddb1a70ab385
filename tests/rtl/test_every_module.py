"""No module of `rtl/` is without a bench of its own or of a module that holds it."""

import re
from pathlib import Path

import pytest

from transfab.rtl.sources import modules, sources_of

FOLDER = Path(__file__).parent
# Modules without a bench of their own, and the one in whose bench they are at work.
WITHIN = {
    "attention_core": "attention",
    "attention_feeder": "attention_engine",
    "attention_scheduler": "attention_engine",
    "channel_stage": "qkv",
    "deviations": "layernorm",
    "exponential": "softmax",
    "head_counter": "softmax",
    "output_core": "output_stage",
    "parameter_reader": "layernorm",
    "row_factor": "layernorm",
    "row_maximum": "softmax",
    "row_scale": "softmax",
    "row_sums": "gemm_by_depth",
    "softmax_parameters": "softmax",
    "word_buffer": "layernorm",
}
TOPS = {"attention", "board_a", "board_b", "intermediate", "layer", "output_stage", "qkv"}


def benched() -> set[str]:
    """Modules that a test here hands to `run`."""
    texts = [path.read_text(encoding="utf-8") for path in FOLDER.glob("test_*.py")]
    named = {name for text in texts for name in re.findall(r'\brun\(\s*"(\w+)"', text)}
    return {name.removesuffix("_steps") for name in named} | TOPS


def test_every_module_is_in_a_bench() -> None:
    assert sorted({*benched(), *WITHIN}) == modules()


@pytest.mark.parametrize(("module", "holder"), WITHIN.items())
def test_a_module_without_a_bench_is_in_its_holder(module: str, holder: str) -> None:
    assert holder in benched() and module not in benched()
    assert module in [path.stem for path in sources_of(holder)]
