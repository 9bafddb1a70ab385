"""The notebook's modules: the quantizer, the float halves, and both integer sides of each stage."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

from transfab.quant import intmath, quant_layer, quant_ops
from transfab.quant.bert import attention, intermediate, output, qkv, residual, softmax
from transfab.quant.bert import layernorm as layernorm_module
from transfab.quant.bert.gelu import gelu
from transfab.quant.bert.layer import run_layer
from transfab.quant.bert.layernorm import LayerNorm, layernorm
from transfab.quant.bert.reference import float_layer
from transfab.quant.bert.softmax import exponentials, normalize_context
from transfab.quant.config import GELU_ENTRIES, GELU_RANGE, LayerConfig
from transfab.quant.quant_ops import sqnr, tensor_quant_scale

HIDDEN, HEADS, INNER = 48, 4, 80
MASKS = {
    "no mask": None,
    "padding behind": torch.tensor([[1] * 11 + [0] * 8]),
    "padding anywhere": torch.tensor([[0, 1, 1, 0, 1] * 3 + [1, 0, 1, 0]]),
}
TABLE_ENDS = torch.tensor([0.0, 1.0, -1.0, 127.0, -127.0, 32767.0, -32767.0], dtype=torch.float64)


def bert_layer(**changes: Any) -> torch.nn.Module:
    """A small BertLayer whose weights are large enough that softmax and GELU are far from flat."""
    torch.manual_seed(7)
    config = BertConfig(
        hidden_size=HIDDEN,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        attn_implementation="eager",
        **changes,
    )
    layer = BertLayer(config).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return layer


@pytest.fixture(scope="module")
def layer() -> torch.nn.Module:
    return bert_layer()


def states(sequence: int = 19) -> torch.Tensor:
    return torch.randn(1, sequence, HIDDEN, generator=torch.Generator().manual_seed(sequence))


def module_output(layer: torch.nn.Module, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Hugging Face's own layer in float64, padding masked by an additive minus infinity."""
    double = bert_layer().double()
    double.load_state_dict(layer.state_dict())
    additive = torch.zeros(mask.shape, dtype=torch.float64).masked_fill(mask == 0, -math.inf)
    with torch.no_grad():
        result = double(x.double(), attention_mask=additive[:, None, None, :])
    return result if isinstance(result, torch.Tensor) else result[0]


# tensor_quant_scale


def test_a_tensor_is_rounded_half_up() -> None:
    x = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999999999999994], dtype=torch.float64)
    integers, scale = tensor_quant_scale(x, scale=1)
    assert (integers.tolist(), scale) == ([-2, -1, 0, 1, 2, 3, 0], 1.0)


@pytest.mark.parametrize("bits", range(2, 17))
def test_the_largest_magnitude_becomes_the_limit_of_the_width(bits: int) -> None:
    x = torch.tensor([-3.7, 1.2, 0.1])
    integers, scale = tensor_quant_scale(x, bits)
    limit = 2 ** (bits - 1) - 1
    assert integers[0] == -limit
    assert scale == float(x.abs().max()) / limit
    assert float((integers * scale - x).abs().max()) <= scale * (0.5 + 1e-9)


def test_a_value_beyond_the_limit_is_clamped_before_a_cast_can_wrap() -> None:
    integers, _ = tensor_quant_scale(torch.tensor([-129.0, 129.0, -1e30, 1e30]), scale=1)
    assert integers.type(torch.int8).tolist() == [-127, 127, -127, 127]


def test_a_zero_tensor_has_scale_one() -> None:
    integers, scale = tensor_quant_scale(torch.zeros(3))
    assert (integers.tolist(), scale) == ([0, 0, 0], 1.0)


@pytest.mark.parametrize("value", [5e-324, 1e-320, 2.2e-308, 1.7e308])
def test_the_ends_of_float64_quantize_to_finite_integers(value: float) -> None:
    integers, scale = tensor_quant_scale(torch.tensor([value, -value, 0.0], dtype=torch.float64))
    assert 0 < scale < math.inf
    assert 1 <= integers[0] <= 127 and -127 <= integers[1] <= -1 and integers[2] == 0


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bfloat16, torch.float32])
def test_any_real_dtype_is_taken(dtype: torch.dtype) -> None:
    assert tensor_quant_scale(torch.tensor([-127, 5]).to(dtype))[0].tolist() == [-127, 5]


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        ([1.0, math.nan], {}, "tensor must be finite, not nan at element 1"),
        ([math.inf], {}, "tensor must be finite, not inf at element 0"),
        ([], {}, "tensor must hold real numbers"),
        ([1j], {}, "tensor must hold real numbers"),
        ([1.0], {"bits": 1}, "bits must be an integer in [2, 16], not 1"),
        ([1.0], {"bits": 17}, "bits must be an integer in [2, 16], not 17"),
        ([1.0], {"bits": True}, "bits must be an integer in [2, 16], not True"),
        ([1.0], {"bits": 8.0}, "bits must be an integer in [2, 16], not 8.0"),
        ([1.0], {"scale": 0}, "scale must be positive and finite, not 0"),
        ([1.0], {"scale": math.nan}, "scale must be positive and finite, not nan"),
    ],
)
def test_what_cannot_be_quantized_is_refused_in_one_line(
    x: list[Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        tensor_quant_scale(torch.tensor(x), **options)
    assert "\n" not in str(error.value)


# The float halves


@pytest.mark.parametrize("name", MASKS)
def test_attention_and_ffn_equal_the_module_in_float64(layer: torch.nn.Module, name: str) -> None:
    x, mask = states(), MASKS[name]
    ones = torch.ones(1, 19) if mask is None else mask
    got = quant_layer.ffn(layer, quant_layer.attention(layer, x, mask))
    wanted = module_output(layer, x, ones)
    # Two orders of the same float64 sums.
    assert (got - wanted)[ones.bool()].abs().max() < 1e-11


def test_attention_and_ffn_are_the_two_halves_of_the_float_reference(
    layer: torch.nn.Module,
) -> None:
    x = states()
    tensors = float_layer(quant_layer.float_weights(layer), x[0].double().numpy())
    attention_out = quant_layer.attention(layer, x)
    assert torch.equal(attention_out[0], torch.from_numpy(tensors["attention_output"]))
    output = torch.from_numpy(tensors["output"])
    assert torch.equal(quant_layer.ffn(layer, attention_out)[0], output)


def test_attention_is_zero_where_padding_is(layer: torch.nn.Module) -> None:
    mask = MASKS["padding anywhere"]
    assert mask is not None
    assert not quant_layer.attention(layer, states(), mask)[mask == 0].any()


# Both integer sides


@pytest.mark.parametrize("residual_bits", [8, 16])
@pytest.mark.parametrize("sequence", [2, 5, 16, 19, 64])
def test_the_pipeline_equals_its_ground_truth(
    layer: torch.nn.Module, sequence: int, residual_bits: int
) -> None:
    x = states(sequence)
    got = quant_layer.pipeline(layer, x, residual_bits=residual_bits)
    wanted = quant_layer.pipeline_dynamic(layer, x, residual_bits=residual_bits)
    assert got.dtype == (torch.int8 if residual_bits == 8 else torch.int16)
    assert torch.equal(got.double(), tensor_quant_scale(wanted, residual_bits, scale=1)[0])


@pytest.mark.parametrize("residual_bits", [8, 16])
@pytest.mark.parametrize("name", MASKS)
def test_the_stages_are_the_layer_of_the_product(
    layer: torch.nn.Module, name: str, residual_bits: int
) -> None:
    options = {"attention_mask": MASKS[name], "residual_bits": residual_bits}
    kernel = quant_layer.quantize_layer(layer, states(), **options)
    made = run_layer(kernel.config, kernel.params, kernel.hidden.numpy(), kernel.mask.numpy())
    got = quant_layer.pipeline(layer, states(), **options)
    wanted = quant_layer.pipeline_dynamic(layer, states(), **options)
    assert torch.equal(got, torch.from_numpy(made["output"]))
    assert torch.equal(got.double(), tensor_quant_scale(wanted, residual_bits, scale=1)[0])


def test_the_ground_truth_runs_no_operator_of_the_integer_stages(
    layer: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = quant_layer.pipeline_dynamic(layer, states())

    def forbidden(*_: Any) -> None:
        raise RuntimeError("an integer stage ran")

    shared = ("matmul", "requantize", "round_shift", "saturate", "reciprocal", "integer_sqrt")
    own = ("qkv", "attention", "exponentials", "residual", "layernorm", "intermediate", "gelu")
    for module in (qkv, attention, softmax, residual, layernorm_module, intermediate, output):
        for name in {*shared, *own, "output", "narrow"} & vars(module).keys():
            monkeypatch.setattr(module, name, forbidden)
    assert torch.equal(quant_layer.pipeline_dynamic(layer, states()), wanted)
    with pytest.raises(RuntimeError, match="an integer stage ran"):
        quant_layer.pipeline(layer, states())


def test_padding_changes_no_bit_of_the_real_tokens(layer: torch.nn.Module) -> None:
    x, mask = states(), torch.tensor([[1] * 11 + [0] * 8])
    padded = quant_layer.pipeline(layer, x, attention_mask=mask)
    x[:, 11:] = 100.0
    assert torch.equal(quant_layer.pipeline(layer, x, attention_mask=mask), padded)
    assert torch.equal(padded[:, :11], quant_layer.pipeline(layer, x[:, :11]))


def test_the_factors_are_the_ratios_of_the_real_scales(layer: torch.nn.Module) -> None:
    """M turns one step of the accumulator into steps of the output: compare what it scales."""
    first, _, _, _ = quant_layer.layer_kernel_gt(layer, states())
    kernel = quant_layer.quantize_layer(layer, states())
    for name in ("query", "key", "value"):
        weight = getattr(quant_layer.float_weights(layer), name).weight
        operand = kernel.scales["hidden"].scale
        per_weight = np.abs(weight * operand).max(axis=1) / 127
        ratio = per_weight / kernel.scales[name].scale
        # The largest factor has 17 bits, and the smallest here 15 or more.
        assert np.allclose(first[f"M_{name}"].numpy(), ratio, rtol=2.0**-15, atol=0)


def test_stages_take_integers_only(layer: torch.nn.Module) -> None:
    first, second, third, fourth = quant_layer.layer_kernel_gt(layer, states())
    query, key, value = quant_layer.stage1(**first)
    out = quant_layer.stage2(query, key, value, **second)
    inner = quant_layer.stage3(out, **third)
    calls: dict[str, Callable[[], Any]] = {
        "hidden": lambda: quant_layer.stage1(**{**first, "hidden_states": states()}),
        "query": lambda: quant_layer.stage2(query.double(), key, value, **second),
        "mask": lambda: quant_layer.stage2(
            query, key, value, **{**second, "attention_mask": torch.ones(1, 19)}
        ),
        "attention_output": lambda: quant_layer.stage3(out.float(), **third),
        "intermediate": lambda: quant_layer.stage4(inner.short(), out, **fourth),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"^{name} must be torch"):
            call()


def test_a_changed_factor_is_refused(layer: torch.nn.Module) -> None:
    first, second, _, _ = quant_layer.layer_kernel_gt(layer, states())
    query, key, value = quant_layer.stage1(**first)
    with pytest.raises(ValueError, match="M_key must be the factor in params"):
        quant_layer.stage1(**{**first, "M_key": first["M_key"] * 2})
    with pytest.raises(ValueError, match="M_attention_probs must be 16383"):
        quant_layer.stage2(query, key, value, **{**second, "M_attention_probs": 127.0})


@pytest.mark.parametrize("residual_bits", [8, 16])
def test_every_stage_stands_for_the_float_layer(layer: torch.nn.Module, residual_bits: int) -> None:
    x = states(64)
    kernel = quant_layer.quantize_layer(layer, x, residual_bits=residual_bits)
    made = run_layer(kernel.config, kernel.params, kernel.hidden.numpy(), kernel.mask.numpy())
    real = float_layer(quant_layer.float_weights(layer), x[0].double().numpy())
    for name in ("query", "key", "value", "attention_output", "output"):
        got = kernel.dequantize(name, torch.from_numpy(made[name]))[0]
        # Weights drawn so wide sharpen the softmax: less than the 29 dB of a trained layer.
        assert sqnr(torch.from_numpy(real[name]), got) > 25, name


# The operators' second writing, at the ends of their ranges


def layernorm_rows() -> torch.Tensor:
    """Constant rows, single spikes, the ends of int16, and random rows of every magnitude."""
    generator = torch.Generator().manual_seed(3)
    random = [
        torch.randint(-(1 << bits), 1 << bits, (8, 48), generator=generator)
        for bits in range(1, 15)
    ]
    constant = TABLE_ENDS[:, None].expand(-1, 48).long()
    spike = torch.zeros(len(TABLE_ENDS), 48, dtype=torch.int64)
    spike[:, 5] = TABLE_ENDS.long()
    ends = torch.full((2, 48), 32767) * torch.tensor([1, -1]).repeat(24)
    return torch.cat([*random, constant, spike, ends]).double()


@pytest.mark.parametrize("epsilon", [1, 12345, (1 << 40) - 1])
def test_both_layernorms_agree_on_rows_of_every_magnitude(epsilon: int) -> None:
    config = LayerConfig(48, 4, 8, residual_bits=16)
    gain = np.linspace(-120000, 120000, 48).astype(np.int32)
    params = LayerNorm(gain, np.arange(48, dtype=np.int64) * 1000 - 9, 27, epsilon)
    rows = layernorm_rows()
    got = layernorm(config, params, rows.numpy().astype(np.int16)[None])["output"][0]
    wanted = quant_ops.step(quant_ops.layernorm_gt(config, params, rows), 16)
    assert torch.equal(torch.from_numpy(got).double(), wanted)


@pytest.mark.parametrize("fraction_bits", range(6, 15))
def test_both_gelus_agree_on_every_int16(fraction_bits: int) -> None:
    every = np.arange(-32767, 32768, dtype=np.int16)
    got = gelu(every, intmath.gelu_table(fraction_bits), fraction_bits)
    wanted = quant_ops.gelu_gt(torch.from_numpy(every).double(), fraction_bits)
    assert torch.equal(torch.from_numpy(got).double(), wanted)


@pytest.mark.parametrize("distance", [1, 2, 4095, 5000])
def test_both_softmaxes_agree_on_every_table_entry_and_beyond(distance: int) -> None:
    """One step a score unit: rows reach `distance` steps below their largest score."""
    scores = torch.randint(-distance, 1, (2, 40, 40), generator=torch.Generator().manual_seed(1))
    scores[:, :, 0], scores[:, :, 1] = 0, -distance
    value = torch.randint(-127, 128, (2, 40, 8), generator=torch.Generator().manual_seed(2))
    allowed = torch.arange(40) % 7 != 3
    steps = np.array([1 << 16, 99999], np.int32)
    mask = allowed[None].to(torch.uint8).numpy()
    made = exponentials(
        scores[None].numpy().astype(np.int32), mask, steps, 16, intmath.exponential_table()
    )
    accumulator = intmath.matmul(made["exponential"], value[None].numpy().astype(np.int8))
    _, mean = normalize_context(accumulator, made["exponential_sum"])
    wanted = quant_ops.exponentials_gt(scores.double(), allowed, steps, 16)
    assert torch.equal(torch.from_numpy(made["exponential"][0]).double(), wanted)
    context = quant_ops.context_gt(wanted, value.double())
    assert torch.equal(torch.from_numpy(mean[0]).double(), context)


def test_no_ideal_table_value_is_so_near_a_half_that_two_libraries_could_round_it_apart() -> None:
    top = 16383
    values = [top * math.exp(-i * math.log(2 * top) / 4096) for i in range(4095)]
    for fraction_bits in range(6, 15):
        middles = [(i + 0.5) * GELU_RANGE / GELU_ENTRIES for i in range(GELU_ENTRIES)]
        values += [x * math.erfc(x / math.sqrt(2)) / 2 * 2**fraction_bits for x in middles]
    # One unit in the last place of 16383 is 1.8e-12.
    assert min(abs(value % 1 - 0.5) for value in values) > 1e-9


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_states": torch.zeros(2, 4, HIDDEN)}, "hidden states must be (1, S, 48)"),
        ({"hidden_states": torch.zeros(4, HIDDEN)}, "hidden states must be (1, S, 48)"),
        ({"hidden_states": torch.zeros(1, 4, 8)}, "hidden states must be (1, S, 48)"),
        ({"hidden_states": torch.full((1, 4, HIDDEN), math.nan)}, "hidden states must be finite"),
        ({"attention_mask": torch.zeros(1, 19)}, "mask must be (1, 19) of 0 and 1"),
        ({"attention_mask": torch.full((1, 19), 2)}, "mask must be (1, 19) of 0 and 1"),
        ({"attention_mask": torch.ones(1, 18)}, "mask must be (1, 19) of 0 and 1"),
        ({"residual_bits": 12}, "residual_bits must be 8 or 16, not 12"),
        ({"hidden_states": states(513)}, "sequence length must be in [1, 512]"),
        ({"hidden_states": states(1)}, "recalibrate"),
    ],
)
def test_a_sequence_that_cannot_be_quantized_is_refused_in_one_line(
    layer: torch.nn.Module, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        quant_layer.quantize_layer(layer, **{"hidden_states": states(), **options})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (torch.nn.Linear(HIDDEN, HIDDEN), "layer must be a BertLayer, not Linear"),
        (bert_layer(hidden_act="gelu_new"), "hidden_act must be gelu"),
        (bert_layer(hidden_act="relu"), "hidden_act must be gelu"),
    ],
)
def test_another_module_is_refused(module: torch.nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quant_layer.attention(module, states())


def test_a_weight_that_is_not_finite_is_refused() -> None:
    layer = bert_layer()
    with torch.no_grad():
        layer.get_parameter("intermediate.dense.bias")[3] = math.nan
    with pytest.raises(ValueError, match=r"intermediate\.dense\.bias must be finite, not nan"):
        quant_layer.ffn(layer, states())
