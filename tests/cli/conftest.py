"""The command line in this process or in one of its own, and a tiny model folder for it.

Everything here runs as on a machine without a C++ compiler, so that no test waits for one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

WORDS = "the of a tile row sum bit holds every layer small large adds and moves one two".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "max_position_embeddings": 32,
    "type_vocab_size": 2,
    "vocab_size": 64,
    "layer_norm_eps": 1e-12,
}


@dataclass(frozen=True)
class Outcome:
    """Exit code, stdout and the lines of stderr that are no progress."""

    code: int
    out: str
    err: list[str]

    @property
    def json(self) -> Any:
        """The one object on stdout."""
        return json.loads(self.out)


def outcome(code: int, out: str, err: str) -> Outcome:
    return Outcome(code, out, [line for line in err.splitlines() if not line.startswith("[")])


Run = Callable[..., Outcome]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command line in this process."""
    from transfab.cli import executors, main

    reason = "no C++ compiler: none here"
    monkeypatch.setattr(executors, "available", lambda: (False, reason))
    monkeypatch.setattr(executors, "missing_csim", lambda variant: reason)
    monkeypatch.setattr(executors, "missing_simulation", lambda kind: reason)
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return outcome(code, captured.out, captured.err)

    yield run
    signal.signal(signal.SIGTERM, handler)


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "CXX": "no-such-compiler", "HF_HUB_OFFLINE": "1", **changes}


@pytest.fixture
def process(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the command line in a process of its own; `before` is Python that runs first."""
    home = tmp_path_factory.mktemp("home")

    def run(
        *arguments: object,
        before: str = "",
        wrap: Callable[[list[str]], list[str]] = list,
        env: Mapping[str, str] | None = None,
    ) -> Outcome:
        program = f"import sys\n{before}\nfrom transfab.cli import main\nsys.exit(main())"
        command = wrap([sys.executable, "-c", program, *map(str, arguments)])
        changes = {"HF_HOME": str(home), **(env or {})}
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment(**changes), timeout=120
        )
        return outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def model(tmp_path: Path, tiny_tensors: dict[str, np.ndarray]) -> Path:
    """A model folder that `golden` takes."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    save_file(
        {name: tensor.astype(np.float32) for name, tensor in tiny_tensors.items()},
        folder / "model.safetensors",
    )
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *WORDS]) + "\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    return folder


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    """Just enough calibration text for the tiny model: 40 lines of 16 words."""
    path = tmp_path / "calibration.txt"
    lines = (
        " ".join(WORDS[(3 * line + 5 * word + line * word) % 16] for word in range(16))
        for line in range(40)
    )
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("the tile adds one row\n\nevery bit holds\n")
    return path
