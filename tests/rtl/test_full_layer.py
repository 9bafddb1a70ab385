"""The layer of BERT-base, 128 tokens, through its ports: every output byte."""

from pathlib import Path

import pytest
from benches import run

from transfab.cli import main
from transfab.quant.bundle import read_bundle
from transfab.quant.bundle_packets import layer_tensors
from transfab.quant.contract.parameters import pack_parameters
from transfab.quant.contract.tops import TOPS, pack_activation
from transfab.quant.engine import Engine
from transfab.sim.benches.full_layer import PACKETS

TOKENS = 128


@pytest.mark.slow
def test_every_byte_of_bert_base(tmp_path: Path) -> None:
    text, folder, engine = tmp_path / "text.txt", tmp_path / "bundle", Engine()
    text.write_text("every word of a long line is at least one token " * TOKENS)
    arguments = ["golden", "--random", "bert-base", "--quick", "--level", "stage"]
    arguments += ["--text", str(text), "--sequence", str(TOKENS), "--out", str(folder)]
    assert main(arguments) == 0
    bundle = read_bundle(folder)
    layer, config = bundle.manifest.layers[0], bundle.config
    params = bundle.layer_parameters(layer)
    tensors = {name: tensor[0] for name, tensor in layer_tensors(bundle, layer).items()}
    assert len(tensors["mask"]) == TOKENS
    top = TOPS["layer"]
    for name in (*top.activations, top.output):
        packet = pack_activation(config, engine, name, tensors)
        (tmp_path / f"{name}.bin").write_bytes(packet.tobytes())
    for stage in top.stages:
        packet = pack_parameters(config, engine, stage, params)
        (tmp_path / f"{stage}_parameters.bin").write_bytes(packet.tobytes())
    run("layer", config, engine, bench="full_layer", values={PACKETS: str(tmp_path)})
