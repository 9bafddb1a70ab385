"""The second oracle: transformers' own I-BERT modules, operator by operator.

The modules carry integers as value / scale in floats. Requantized, every element is equal, in
float32 as models run and in float64. The softmax has no requantization behind it: its output is
the floor of a float32 product, so it may differ by one; each such element is explained here.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from transformers.models.ibert.quant_modules import (
    IntGELU,
    IntLayerNorm,
    IntSoftmax,
    QuantAct,
    QuantLinear,
)

from transfab.quant.ibert.gelu import Gelu, gelu
from transfab.quant.ibert.layernorm import LayerNorm, layernorm
from transfab.quant.ibert.linear import Linear, linear
from transfab.quant.ibert.requantize import Dyadic, dyadic, requantize
from transfab.quant.ibert.residual import Residual, residual
from transfab.quant.ibert.softmax import Softmax, softmax

PRECISIONS = (torch.float32, torch.float64)
SHAPES = ((1, 3, 8), (2, 7, 33), (3, 16, 128))


def ratio(of: torch.Tensor, to: torch.Tensor) -> Dyadic:
    return dyadic((of.double() / to.double()).numpy().squeeze())


def integers(values: torch.Tensor, scale: torch.Tensor | float) -> np.ndarray:
    scale = scale.double() if isinstance(scale, torch.Tensor) else scale
    return np.round((values.double() / scale).numpy()).astype(np.int64)


def act(bits: int, reach: float) -> QuantAct:
    """An activation's requantization, its range set by hand."""
    module = QuantAct(bits, quant_mode=True).eval()
    module.x_min, module.x_max = torch.tensor([-reach]), torch.tensor([reach])
    return module


def accumulators(shape: tuple[int, ...], bits: int, seed: int) -> torch.Tensor:
    """Random integers of all magnitudes, the edges, zeros and a row of one sign."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape)
    values >>= rng.integers(0, bits - 1, (*shape[:-1], 1))
    flat = values.reshape(-1)
    edges = [0, 1, -1, 2 ** (bits - 1) - 1, -(2 ** (bits - 1)) + 1]
    flat[: len(edges)] = edges[: flat.size]
    values[-1, -1] = np.minimum(np.abs(values[-1, -1]), 2 ** (bits - 1) - 1)
    return torch.from_numpy(values)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_requantization_is_quant_acts(shape, precision):
    acc = accumulators(shape, 22, 0)
    scale = torch.logspace(-6, -3, shape[-1])
    module = act(8, 0.9)
    out, step = module(acc.to(precision) * scale, scale)
    wanted = integers(out, step)
    np.testing.assert_array_equal(requantize(acc.numpy(), ratio(scale, step)), wanted)
    assert (wanted.min(), wanted.max()) == (-128, 127)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_residual_is_quant_acts_with_an_identity(shape, precision):
    acc, skip = accumulators(shape, 20, 1), accumulators(shape, 8, 2)
    scale, skip_scale = torch.logspace(-6, -4, shape[-1]), torch.tensor([0.031])
    module = act(22, 4.0)
    out, step = module(
        acc.to(precision) * scale, scale, skip.to(precision) * skip_scale, skip_scale
    )
    params = Residual(ratio(scale, step), ratio(skip_scale, step))
    wanted = integers(out, step)
    got = residual(params, acc.numpy().astype(np.int32), skip.numpy().astype(np.int8))
    np.testing.assert_array_equal(got["output"], wanted)
    assert wanted.min() == -(2**21)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("inner", "outer"), [(3, 5), (64, 48), (768, 96)])
def test_a_projection_is_quant_linears(inner, outer, precision):
    torch.manual_seed(inner)
    module = QuantLinear(inner, outer, per_channel=True, quant_mode=True).to(precision).eval()
    torch.nn.init.normal_(module.weight, 0.0, 0.3)
    torch.nn.init.normal_(module.bias)
    x = accumulators((2, 4, inner), 8, 3)
    scale = torch.tensor([0.0217])
    out, step = module(x.to(precision) * scale, scale)
    weight = module.weight_integer.detach().numpy().astype(np.int8)
    bias = module.bias_integer.detach().numpy().astype(np.int32)
    got = linear(Linear(weight, bias), x.numpy().astype(np.int8))
    np.testing.assert_array_equal(got, integers(out.detach(), step.detach()))


def gelu_constants(scale: torch.Tensor) -> tuple[Gelu, torch.Tensor]:
    """The module's own formulas, in the precision of `scale`."""
    step = scale / 1.4142
    b, c = torch.floor(-1.769 / step), torch.floor(1 / -0.2888 / step**2)
    erf = step**2 * -0.2888 * 2**14
    constants = (np.asarray(values, np.int64) for values in (b, c, 1.0 // erf))
    return Gelu(*constants, 14), scale * erf / 2


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_gelu_after_requantization_is_int_gelus(shape, precision):
    acc = accumulators(shape, 20, 4)
    scale = torch.logspace(-4.3, -3, shape[-1]).to(precision)
    out, out_scale = IntGELU(quant_mode=True)(acc * scale, scale)
    params, step = gelu_constants(scale)
    assert torch.equal(step, out_scale)
    module = act(8, 5.0)
    wanted, wanted_step = module(out, out_scale)
    factor = ratio(out_scale, wanted_step)
    assert (factor.multiplier < 0).all()
    got = gelu(params, acc.numpy().astype(np.int32))["output"]
    np.testing.assert_array_equal(requantize(got, factor), integers(wanted, wanted_step))
    near = np.abs(got - integers(out, out_scale)) / np.maximum(np.abs(got), 1)
    # float32 moves a floor of the polynomial by one step of 2**14 at most, in few elements.
    assert np.median(near) < 1e-6


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("shift", "bits"), [(0, 12), (4, 16), (8, 20)])
@pytest.mark.parametrize("shape", SHAPES)
def test_layernorm_after_requantization_is_int_layernorms(shape, shift, bits, precision):
    """On rows that the original can do: the sum of squares is below 2**32, as its overflow
    handling keeps it, and the root is not 0, by which it would divide.
    """
    torch.manual_seed(shift)
    size = shape[-1]
    module = IntLayerNorm(size, 1e-5, 32, quant_mode=True).eval()
    torch.nn.init.normal_(module.weight, 1.0, 0.4)
    torch.nn.init.normal_(module.bias, 0.0, 0.3)
    module.shift = torch.tensor([float(shift)])
    module = module.to(precision)
    total = accumulators(shape, bits, 5)
    scale = torch.tensor([2.0**-19])
    out, out_scale = module(total.to(precision) * scale, scale)
    out, out_scale = out.detach(), out_scale.detach()
    step = module.dim_sqrt / 2**30
    bias = torch.floor(module.bias / module.weight / step).detach().numpy().astype(np.int64)
    got = layernorm(LayerNorm(bias, shift), total.numpy().astype(np.int32))["output"]
    done = torch.isfinite(out).all(dim=-1)
    assert done.float().mean() > 0.6
    got, out = got[done.numpy()][None], out[done][None]
    wanted, wanted_step = act(8, 4.0)(out, out_scale)
    factor = ratio(out_scale, wanted_step)
    np.testing.assert_array_equal(requantize(got, factor), integers(wanted, wanted_step))
    # Above 2**24 the original's float32 rounds the factor too.
    assert np.abs(got - integers(out, out_scale)).max() <= 1e-6 * np.abs(got).max()


def softmax_of_module(
    scores: torch.Tensor, scale: torch.Tensor, precision: torch.dtype
) -> tuple[np.ndarray, Softmax]:
    """IntSoftmax with the range of its inner QuantAct set, and our constants for it."""
    step = scale.to(precision)
    b, c, x0 = (
        math.floor(value)
        for value in (
            0.96963238 / 0.35815147 / step,
            1.0 / 0.35815147 / step**2,
            -0.6931 / step,
        )
    )
    module = IntSoftmax(8, quant_mode=True).eval()
    module.act = act(16, float(c << 30))
    out, out_scale = module(scores.to(precision) * step, step)
    factor = ratio(torch.ones(1), module.act.act_scaling_factor)
    return integers(out, out_scale), Softmax(b, c, x0, 30, factor)


def in_single(made: dict[str, np.ndarray]) -> np.ndarray:
    """The last step of the original: t * f has up to 32 bits and is rounded to 24 of them."""
    product = made["exponential"].astype(np.float32) * made["factor"].astype(np.float32)
    return np.floor(product / np.float32(2**24)).astype(np.int64)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("exponent", [-7, -9, -12])
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_is_int_softmaxs_but_for_its_float32_product(shape, exponent, precision):
    """Scales are powers of two, so the module's integers are exact until t * f.

    The two differ only where one key has the whole row: t = 32767, f = 131076, and the product
    2**32 - 4 gives 255 in integers, as the vectors' rule says, and 256 in float32.
    """
    scores = accumulators(shape, 16, 6)
    scores[0, 0] = 5
    scores[..., shape[-1] // 2] = -(2**31)
    wanted, params = softmax_of_module(scores, torch.tensor([2.0**exponent]), precision)
    made = softmax(params, scores.numpy())
    np.testing.assert_array_equal(in_single(made), wanted)
    alone = (made["exponential"] == 32767) & (made["factor"] == 131076)
    np.testing.assert_array_equal(made["output"] + alone, wanted)
    assert len(np.unique(wanted)) > 1


@pytest.mark.parametrize("scale", [2.0**-9, 0.00141])
def test_softmax_of_many_random_scores_is_int_softmaxs(scale):
    """640 000 elements in float32, none off. What moves a probability in a model is the float32
    noise of its scores, which come from a product of floats: `test_checkpoint` counts those.
    """
    rng = np.random.default_rng(7)
    scores = torch.from_numpy(rng.integers(-1200, 1200, (1, 5000, 128)))
    wanted, params = softmax_of_module(scores, torch.tensor([scale]), torch.float32)
    np.testing.assert_array_equal(softmax(params, scores.numpy())["output"], wanted)
