"""The baselines: skipped by name where a package is missing, sane where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from transfab.quant.evaluate import baselines
from transfab.quant.evaluate.baselines import BASELINES, Baseline, chosen
from transfab.quant.evaluate.per_tensor import int8
from transfab.quant.evaluate.run import Request, compare, evaluate
from transfab.quant.evaluate.schemes import float_states
from transfab.quant.evaluate.texts import LengthClass
from transfab.quant.random_source import RandomSource

SOURCE = RandomSource("bert-tiny")
EMBEDDINGS = SOURCE.embeddings()
CALIBRATION = [list(range(5 + i, 5 + i + 10 + 7 * i)) for i in range(12)]
GROUP = LengthClass("tiny", ([7, 9, 11], [3], [40, 41, 42, 43, 44], list(range(300, 340))))


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("all", ["torchao", "onnxruntime", "torch", "per-tensor"]),
        ("none", []),
        ("per-tensor,torchao", ["torchao", "per-tensor"]),
    ],
)
def test_baselines_are_chosen_by_name(names, wanted):
    assert chosen(names) == wanted


@pytest.mark.parametrize("names", ["", "torchao,", "int8", "All"])
def test_an_unknown_baseline_is_refused(names):
    with pytest.raises(ValueError, match="--baselines must be all, none or some of torchao"):
        chosen(names)


# Seeded weights have even rows, so every scheme does better here than on a trained encoder.
@pytest.mark.parametrize(
    ("name", "least"), [("torchao", 25), ("onnxruntime", 15), ("torch", 12), ("per-tensor", 12)]
)
@pytest.mark.filterwarnings("ignore")
def test_a_baseline_agrees_with_float(name, least):
    if lack := BASELINES[name].missing():
        pytest.skip(lack)
    reference = {"tiny": float_states(SOURCE, EMBEDDINGS, GROUP.sequences, 2)}
    scheme = BASELINES[name].build(SOURCE, EMBEDDINGS, 2)
    assert scheme.name == name
    before = torch.get_num_threads()
    found = compare(scheme, [GROUP], reference)["tiny"]
    assert torch.get_num_threads() == before
    assert least < found.sqnr_db < 60
    assert len(found.sqnr_by_layer) == SOURCE.layers


def test_a_missing_package_skips_its_baseline_and_keeps_the_others(monkeypatch):
    lacking = Baseline(BASELINES["torchao"].build, ("no_such_package",), "")
    monkeypatch.setitem(baselines.BASELINES, "torchao", lacking)
    request = Request([GROUP], CALIBRATION, (8,), ("torchao", "per-tensor"))
    result = evaluate(SOURCE, request)
    assert list(result.schemes) == ["R8", "per-tensor"]
    assert result.skipped == {
        "torchao": "no_such_package not installed (pip install 'transfab[eval]')"
    }


def test_a_baseline_that_fails_is_skipped_with_its_reason(monkeypatch):
    class Overflows:
        name = "torch"

        def run(self, sequences):
            for tokens in sequences:
                yield [np.full((len(tokens), 128), np.inf, np.float32)] * 2

    def breaks(source, embeddings, threads):
        raise RuntimeError("no kernel\nsecond line")

    monkeypatch.setitem(baselines.BASELINES, "torch", Baseline(lambda *_: Overflows(), (), ""))
    monkeypatch.setitem(baselines.BASELINES, "per-tensor", Baseline(breaks, (), ""))
    said: list[str] = []
    request = Request([GROUP], CALIBRATION, (8,), ("torch", "per-tensor"))
    result = evaluate(SOURCE, request, said.append)
    assert result.skipped == {
        "torch": "ValueError: layer 0 gave values that are not finite",
        "per-tensor": "RuntimeError: no kernel",
    }
    assert "per-tensor skipped: RuntimeError: no kernel" in said
    assert list(result.schemes) == ["R8"]


def test_per_tensor_int8_has_one_scale_and_255_levels():
    tensor = torch.linspace(-2.54, 2.0, 5001)
    levels = torch.round(int8(tensor) / 0.02)
    assert levels.unique().tolist() == list(range(-127, 101))
    assert (int8(tensor) - tensor).abs().max() <= 0.01 + 1e-6
    assert not int8(torch.zeros(3)).any()


@pytest.mark.parametrize("depth", [8, 384, 512, 513, 1536])
def test_the_quick_int8_product_is_exact(depth):
    from transfab.quant.evaluate.torch_engines import exact_product

    generator = torch.Generator().manual_seed(depth)
    left = torch.randint(-128, 128, (5, depth), generator=generator, dtype=torch.int8)
    right = torch.randint(-128, 128, (depth, 16), generator=generator, dtype=torch.int8)
    left[0], right[:, 0] = -128, -128
    right[:, 1] = 127
    got = exact_product(left, right)
    assert got.dtype == torch.int32
    assert torch.equal(got.long(), left.long() @ right.long())
    unsigned = left.view(torch.uint8)
    assert torch.equal(exact_product(unsigned, right).long(), unsigned.long() @ right.long())


def test_torch_takes_the_quick_product_and_keeps_every_other_operator():
    from transfab.quant.evaluate.torch_engines import ExactProducts

    ones = torch.ones(2, 8, dtype=torch.int8)
    with ExactProducts():
        assert torch._int_mm(ones, torch.ones(8, 8, dtype=torch.int8)).tolist() == [[8] * 8] * 2
        assert torch.add(ones, ones, alpha=2).eq(3).all()


@pytest.mark.filterwarnings("ignore")
def test_the_exported_encoder_takes_every_length(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs extra eval")
    pytest.importorskip("onnx", reason="needs extra eval")
    from transfab.quant.evaluate.onnx_engine import export
    from transfab.quant.evaluate.torch_engines import Encoder

    encoder = Encoder(SOURCE)
    export(encoder, 128, tmp_path / "float.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "float.onnx")
    for length in (1, 8, 77):
        hidden = torch.randn(1, length, 128, generator=torch.Generator().manual_seed(length))
        with torch.inference_mode():
            wanted = encoder(hidden)
        for real, state in zip(wanted, session.run(None, {"hidden": hidden.numpy()}), strict=True):
            # Two float32 engines that add in another order.
            assert np.abs(real.numpy() - state).max() < 1e-4
