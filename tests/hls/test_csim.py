"""Every top in C simulation equals the integer layer in every bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strategies import MODES, Case, random_case
from stream_oracle import BUILDS

from transfab.hls.csim import CsimExecutor, CSimulation
from transfab.quant.bert.layer import STAGES, run_layer
from transfab.quant.contract.tops import TENSORS, TOPS, pack_activation
from transfab.quant.executors import compare
from transfab.quant.intmath import Array
from transfab.quant.packet_check import unpacked

# One worker, so that no two build the same kernels.
pytestmark = pytest.mark.xdist_group("csim")
Simulate = Callable[..., CSimulation]
LIMIT = BUILDS[0].engine.sequence
VARIANTS = ("native", "width_true")
each_top = pytest.mark.parametrize("top", TOPS)


def builds(*quick: tuple[int, str]) -> Any:
    """Each build in both variants; those not named take longer."""
    every = [(index, variant) for index in range(len(BUILDS)) for variant in VARIANTS]
    return pytest.mark.parametrize(
        ("index", "variant"),
        [pytest.param(*one, marks=() if one in quick else pytest.mark.slow) for one in every],
    )


each_build = builds((0, "native"), (2, "native"), (4, "native"), (0, "width_true"))


def case_of(index: int, sequence: int, mode: str = "plain", seed: int = 1, **changes: Any) -> Case:
    return random_case(seed, mode, BUILDS[index].shape, 2, sequence, **changes)


def assert_exact(simulation: CSimulation, index: int, case: Case) -> dict[str, Array]:
    """Every top, from the integer layer's tensors; returns these."""
    params = case.parameters()
    wanted = run_layer(BUILDS[index].config(), params, *case.arrays())
    for top in TOPS:
        made = simulation.run_top(top, params, wanted)
        assert made.keys() == set(TENSORS[TOPS[top].output])
        for name, tensor in made.items():
            assert tensor.dtype == wanted[name].dtype, (top, name)
            assert np.array_equal(tensor, wanted[name]), (top, name)
    return wanted


@each_build
@pytest.mark.parametrize("mode", MODES)
def test_every_top_is_exact(simulate: Simulate, index: int, variant: str, mode: str) -> None:
    assert_exact(simulate(index, variant), index, case_of(index, 5, mode))


@each_build
@pytest.mark.parametrize("sequence", [1, 16, 17, LIMIT])
def test_every_length_is_exact(simulate: Simulate, index: int, variant: str, sequence: int) -> None:
    assert_exact(simulate(index, variant), index, case_of(index, sequence, seed=sequence))


@pytest.mark.parametrize("index", [0, 2])
def test_nothing_is_left_of_an_earlier_sequence_or_layer(simulate: Simulate, index: int) -> None:
    simulation = simulate(index)
    for sequence, mode, seed in ((LIMIT, "loud", 2), (3, "plain", 3), (9, "quiet", 4)):
        assert_exact(simulation, index, case_of(index, sequence, mode, seed))


def test_two_builds_in_one_process_share_nothing(simulate: Simulate) -> None:
    cases = {index: case_of(index, 7) for index in (0, 2)}
    first = {i: assert_exact(simulate(i), i, case)["output"] for i, case in cases.items()}
    again = {i: assert_exact(simulate(i), i, case)["output"] for i, case in cases.items()}
    assert all(np.array_equal(first[index], again[index]) for index in cases)


@pytest.mark.parametrize("kept", [0, 4])
def test_a_single_real_token_is_exact(simulate: Simulate, kept: int) -> None:
    mask = [[int(i == kept) for i in range(5)] for _ in range(2)]
    assert_exact(simulate(0), 0, case_of(0, 5, mask=mask))


PADDING = [(top.name, packet) for top in TOPS.values() for packet in top.activations]


@pytest.mark.parametrize(("top", "packet"), PADDING)
def test_what_pads_an_activation_is_ignored(simulate: Simulate, top: str, packet: str) -> None:
    simulation, case = simulate(0), case_of(0, 5)
    params = case.parameters()
    tensors = run_layer(simulation.config, params, *case.arrays())
    packets = simulation.packets(top, params, tensors, 0)
    # Where a packet of tensors without a zero has one.
    full = {
        name: np.full_like(tensor[0], -1) for name, tensor in tensors.items() if tensor.ndim > 1
    }
    padding = pack_activation(simulation.config, simulation.engine, packet, full) == 0
    at = TOPS[top].inputs.index(packet)
    packets[at] = packets[at].copy()
    packets[at][padding] = np.random.default_rng(5).integers(1, 256, int(padding.sum()))
    output = TOPS[top].output
    made = [simulation.run(top, 5, packets)]
    pair = simulation.config, simulation.engine
    for name, tensor in unpacked(*pair, output, made, 5).items():
        assert np.array_equal(tensor[0], tensors[name][0]), name


@each_top
def test_a_packet_of_another_length_is_an_error_of_one_line(simulate: Simulate, top: str) -> None:
    simulation, case = simulate(0), case_of(0, 5)
    params = case.parameters()
    tensors = run_layer(simulation.config, params, *case.arrays())
    good = simulation.packets(top, params, tensors, 0)
    for at in range(len(good)):
        short, long = list(good), list(good)
        short[at], long[at] = good[at][:-1], np.concatenate([good[at], good[at][:2]])
        with pytest.raises(RuntimeError, match=rf"^top {top} failed: stream .* read while it is"):
            simulation.run(top, 5, short)
        with pytest.raises(RuntimeError, match=rf"input {at} has 2 beats left over$"):
            simulation.run(top, 5, long)
    # An error leaves nothing behind.
    assert_exact(simulation, 0, case)


def test_what_the_ports_do_not_take_is_refused(simulate: Simulate) -> None:
    simulation, case = simulate(0), case_of(0, 5)
    params = case.parameters()
    packets = simulation.packets(
        "qkv", params, {"hidden": case.arrays()[0], "mask": case.arrays()[1]}, 0
    )
    for top, sequence, given, reason in (
        ("softmax", 5, packets, "top must be one of qkv, .*, layer, not softmax"),
        ("qkv", 0, packets, r"sequence length must be in \[1, 70\].* not 0"),
        ("qkv", 71, packets, "not 71: build with --sequence 71"),
        ("qkv", 5, packets[:1], "top qkv reads hidden, qkv_parameters, not 1 packets"),
        ("qkv", 5, [packets[0][:, :8], packets[1]], r"packet hidden must be beats of 16 uint8"),
        ("qkv", 5, [packets[0], packets[1].view(np.int8)], "packet qkv_parameters must be beats"),
    ):
        with pytest.raises(ValueError, match=reason):
            simulation.run(top, sequence, given)


def test_parameters_of_another_config_are_refused(simulate: Simulate) -> None:
    with pytest.raises(ValueError, match=r"query weight must be \(21, 21\), not \(16, 16\)"):
        simulate(0).parameters(case_of(4, 5).parameters(), "qkv")


def test_parameters_are_packed_once_a_layer_and_only_the_last_is_kept(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = simulate(0)
    first, second = (case_of(0, 3, seed=seed).parameters() for seed in (8, 9))
    packed = simulation.parameters(first, "qkv")
    assert simulation.parameters(first, "qkv") is packed
    simulation.parameters(first, "output")
    assert simulation.parameters(first, "qkv") is packed
    simulation.parameters(second, "output")
    assert simulation.parameters(first, "qkv") is not packed


@pytest.mark.parametrize("index", [0, 2])
def test_the_executor_returns_the_outputs_of_each_stage(simulate: Simulate, index: int) -> None:
    simulate(index)
    case, config = case_of(index, 6), BUILDS[index].config()
    params, built = case.parameters(), []
    executor = CsimExecutor("native", BUILDS[index].engine, built.append)
    wanted = run_layer(config, params, *case.arrays())
    for stage in STAGES:
        made = executor.run(config, stage, params, {name: wanted[name] for name in stage.inputs})
        assert tuple(made) == stage.outputs
        assert compare("csim", 0, stage, {n: wanted[n] for n in made}, made).mismatches == ()
    assert built == []
    assert executor.name == "csim"
    assert CsimExecutor("width_true").name == "csim_width_true"


def test_the_executor_refuses_what_does_not_fit(simulate: Simulate) -> None:
    simulate(0)
    case, config, executor = (
        case_of(0, 6),
        BUILDS[0].config(),
        CsimExecutor(engine=BUILDS[0].engine),
    )
    hidden = case.arrays()[0]
    with pytest.raises(ValueError, match=r"hidden must be .* int16, not .* int8"):
        executor.run(config, STAGES[0], case.parameters(), {"hidden": hidden.astype(np.int8)})
    long = np.zeros((1, 71, config.hidden), np.int16)
    with pytest.raises(ValueError, match="not 71: build with --sequence 71"):
        executor.run(config, STAGES[0], case.parameters(), {"hidden": long})
