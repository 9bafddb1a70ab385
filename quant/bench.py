"""Figures of the golden path: integer layer against Hugging Face's float32 layer, and a whole run.

Ratios are of medians over alternating repetitions in one process, so that a machine whose speed
drifts drifts for both sides.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from transfab.quant.bert.weights import NAMES, FloatLayer
from transfab.quant.calibrate import calibrate, pad
from transfab.quant.corpus import packaged
from transfab.quant.figure import Figure
from transfab.quant.native import NativeLayer, available
from transfab.quant.random_source import RandomSource


def bench_golden(
    repetitions: int = 40,
    sequence: int = 128,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Figure]:
    """Measure the integer layer at BERT-base size and a whole run on the default model.

    repetitions  int  timed alternations for each number of threads
    sequence     int  tokens, in [1, 512]

    Raises ValueError where no compiler is: the figures are those of the native layer.
    """
    runs, reason = available()
    if not runs:
        raise ValueError(f"the native layer cannot run here: {reason}")
    return [
        *_layer_figures(repetitions, sequence, progress),
        *_run_figures(progress),
    ]


def _layer_figures(
    repetitions: int, sequence: int, progress: Callable[[str], None]
) -> list[Figure]:
    progress("calibrating one BERT-base layer")
    source = RandomSource("bert-base")
    texts = packaged("calibration", 64, 4, 1)
    tokens = [source.tokens(text)[: source.longest] for text in texts]
    config, embeddings = source.config(16), source.embeddings()
    calibrated = next(calibrate(source, embeddings, tokens, 1, 16))
    state = np.random.default_rng(0).normal(size=(sequence, config.hidden))
    inputs = pad([state], calibrated.scales.hidden.stream, 16)
    native = NativeLayer(config, calibrated.params)
    float_input = torch.from_numpy(state[None]).float()
    reference = hugging_face_layer(source.layer(0))

    figures = []
    before = torch.get_num_threads()
    for threads in (1, 2):
        progress(f"timing one BERT-base layer, S = {sequence}, {threads} thread(s)")
        torch.set_num_threads(threads)
        calls: dict[str, Callable[[], object]] = {
            "float32": lambda: reference(float_input),
            "stage": lambda n=threads: native.run(**inputs, level="stage", threads=n),  # type: ignore[misc]
            "op": lambda n=threads: native.run(**inputs, level="op", threads=n),  # type: ignore[misc]
        }
        times = _alternate(calls, repetitions)
        for name, value in times.items():
            figures.append(Figure(f"{name}_ms_threads{threads}", round(value * 1e3, 3), "ms"))
        for name in ("stage", "op"):
            ratio = round(times[name] / times["float32"], 3)
            figures.append(Figure(f"{name}_to_float32_threads{threads}", ratio, "ratio"))
    torch.set_num_threads(before)
    return figures


def _alternate(calls: dict[str, Callable[[], object]], repetitions: int) -> dict[str, float]:
    """Median seconds of each call, called in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    with torch.inference_mode():
        for repetition in range(repetitions + 3):
            for name, call in calls.items():
                # torch's idle threads spin on after a call and would share the next one's cores.
                time.sleep(0.02)
                start = time.perf_counter()
                call()
                if repetition >= 3:
                    seconds[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in seconds.items()}


def hugging_face_layer(layer: FloatLayer) -> Callable[[torch.Tensor], object]:
    """Hugging Face's float32 BertLayer (sdpa) with the weights of `layer`."""
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertLayer

    size, inner = layer.query.weight.shape[0], layer.intermediate.weight.shape[0]
    config = BertConfig(
        hidden_size=size,
        num_attention_heads=layer.heads,
        intermediate_size=inner,
        layer_norm_eps=layer.epsilon,
    )
    config._attn_implementation = "sdpa"
    module: torch.nn.Module = BertLayer(config).eval()  # type: ignore[no-untyped-call]
    weights = {}
    for field, name in NAMES.items():
        linear = getattr(layer, field)
        weights[f"{name}.weight"] = torch.from_numpy(linear.weight)
        weights[f"{name}.bias"] = torch.from_numpy(linear.bias)
    module.load_state_dict(weights)
    return module


def _run_figures(progress: Callable[[str], None]) -> list[Figure]:
    """Time and memory of calibrating and writing all layers of the default model."""
    progress("quick calibration and writing of all layers of the default model, in its own process")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "transfab",
            "golden",
            "--quick",
            "--layers",
            "all",
            "--json",
        ]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, "--out", str(Path(folder) / "bundle")],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        raise ValueError(f"transfab golden failed: {done.stderr.strip().splitlines()[-1]}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    lines = re.findall(r"\[ *([\d.]+) s\] (?:layer|writing)", done.stderr)
    steps = np.diff([float(value) for value in lines])
    return [
        Figure("golden_quick_all_layers_s", round(seconds, 2), "s"),
        Figure("golden_quick_all_layers_peak_mb", round(peak, 1), "MB"),
        Figure("golden_quick_first_layer_s", round(float(steps[0]), 2), "s"),
        Figure("golden_quick_last_full_layer_s", round(float(steps[-2]), 2), "s"),
    ]
