"""What a host's process does with emulated cards through XRT: one scene, in a process of its own.

`python card_session.py SCENE FOLDER` with the environment of `emulation.environment`. The last line
of stdout is one JSON object. LAYER is that of test_xrt_cards.py.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emulated_boards import layer_of, write_bitstream

from transfab.host.board import BoardError, Design
from transfab.host.boards import board_named
from transfab.host.open import open_session
from transfab.host.place import parse_place
from transfab.host.session import LayerSession
from transfab.host.xrt import library, pyxrt
from transfab.host.xrt_board import XrtBoard
from transfab.quant.bert.layer import run_layer
from transfab.quant.contract.tops import TOPS

FOLDER = Path(sys.argv[2])
DESCRIPTION = Path(os.environ["TRANSFAB_XRT_DESCRIPTION"])
LAYER = layer_of(4)
TENSORS = run_layer(LAYER.config, LAYER.case.parameters(), *LAYER.case.arrays())
PATIENCE = 0.3
Result = dict[str, Any]


def faults(*of_cards: dict[str, Any]) -> None:
    """What the device processes that start from now on get."""
    said = json.loads(DESCRIPTION.read_text())
    DESCRIPTION.write_text(json.dumps(said | {"faults": of_cards}))


def opened(count: int, patience: float = PATIENCE) -> Any:
    places = [parse_place("emulated-xrt")] * count
    return open_session(LAYER.config, LAYER.engine, places, patience=patience)


def exact(session: LayerSession) -> bool:
    """Every packet of a batch, byte by byte, twice."""
    session.configure(LAYER.case.parameters())
    for _ in range(2):
        for top, made in session.run(TENSORS).packets.items():
            for index, packet in enumerate(made):
                wanted = LAYER.activations(top, index, TENSORS)[TOPS[top].output]
                if packet.tobytes() != wanted.tobytes():
                    return False
    return True


def works(count: int) -> bool:
    """The next run, with cards that behave."""
    faults()
    with opened(count, 20) as session:
        return exact(session)


def failure(act: Callable[[], object]) -> Result:
    """The error's text, and seconds since `act` began."""
    start = time.monotonic()
    try:
        act()
    except (BoardError, RuntimeError, ValueError) as err:
        text, kind = str(err), type(err).__name__
        return {"error": text, "kind": kind, "seconds": time.monotonic() - start}
    return {"error": "", "kind": "", "seconds": time.monotonic() - start}


def misbehaves(count: int = 2) -> Result:
    """One fault after the other, each of the last card; the next run on both works each time."""
    found = {}
    for name, fault in {
        "hang": {"hang": True},
        "stopped": {"dma_error": "output_parameters"},
        "short": {"short": "output"},
        "long": {"long": "attention_output"},
    }.items():
        faults({}, fault)
        with opened(count) as session:
            session.configure(LAYER.case.parameters())
            found[name] = failure(lambda session=session: session.run(TENSORS))
    return {"found": found, "works": works(count)}


def killed() -> Result:
    """The device process of the second card is killed while it takes weights."""

    def kill() -> None:
        while not library.process(1):
            time.sleep(0.005)
        time.sleep(0.5)
        os.kill(library.process(1), 9)

    faults({}, {"sleeps": 60.0})
    with opened(2, 20) as session:
        killer = threading.Thread(target=kill)
        killer.start()
        found = failure(lambda: session.configure(LAYER.case.parameters()))
        killer.join()
    return found | {"works": works(2)}


def silent() -> Result:
    """A card that does not answer: XRT's emulation gives it up within the patience."""
    faults({"sleeps": 60.0})
    with opened(1, 2.5) as session:
        found = failure(lambda: session.configure(LAYER.case.parameters()))
    return found | {"works": works(1)}


def refuses() -> Result:
    """Xclbins of another build, of another board, damaged, and of another top."""
    design = Design("layer", LAYER.config, LAYER.engine)
    card = board_named("u280")
    build = write_bitstream(FOLDER / "build", layer_of(0), "layer", card)
    board = write_bitstream(FOLDER / "board", LAYER, "layer", board_named("u55c"))
    damaged = write_bitstream(FOLDER / "damaged", LAYER, "layer", card)
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    top = write_bitstream(FOLDER / "top", LAYER, "board_a", card)
    found = {}
    for name, file in {"build": build, "board": board, "damaged": damaged, "top": top}.items():
        driver = XrtBoard("card", pyxrt, 0)
        found[name] = failure(lambda driver=driver, file=file: driver.load(file, design))
        driver.close()
    return {"found": found, "works": works(1)}


def beyond() -> Result:
    """A card whose banks are too small for the design's buffers."""
    with opened(1, 20) as session:
        return {"error": "", "exact": exact(session)}


def elsewhere() -> Result:
    """More cards than this process was started for."""
    return failure(lambda: opened(4).__enter__())


SCENES: dict[str, Callable[[], Result]] = {
    "misbehaves": misbehaves,
    "killed": killed,
    "silent": silent,
    "refuses": refuses,
    "beyond": beyond,
    "elsewhere": elsewhere,
}

if __name__ == "__main__":
    scene = SCENES[sys.argv[1]]
    try:
        print(json.dumps(scene()))
    except BoardError as err:
        print(json.dumps({"error": str(err)}))
