"""Every bad input is refused: one line on stderr, an error object on stdout, nothing written."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

Run = Callable[..., Any]
NAMESPACES = (["unshare", "-m"], ["unshare", "-rm"])


def snapshot(folder: Path) -> dict[str, object]:
    """Everything below a folder, hidden or not: paths, kinds and bytes."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink() or not path.is_file():
            found[name] = str(path.lstat().st_mode)
        else:
            found[name] = path.read_bytes()
    return found


def assert_refused(done: Any, reason: str, code: int = 1) -> None:
    """One line that matches `reason`, on stderr and, with --json, alone on stdout."""
    assert done.code == code, done
    (line,) = done.err
    assert re.search(reason, line), line
    assert line.startswith("transfab: ")
    assert len(line) < 1000
    assert done.json == {"error": line.removeprefix("transfab: ")}
    assert done.out.count("\n") == 1


@pytest.fixture
def refused(cli: Run, tmp_path: Path) -> Run:
    """Run a command that must be refused and must leave the temporary folder as it was."""

    def run(reason: str, *arguments: object, code: int = 1) -> None:
        before = snapshot(tmp_path)
        assert_refused(cli(*arguments, "--json"), reason, code)
        assert snapshot(tmp_path) == before
        plain = cli(*arguments)
        assert (plain.code, plain.out, len(plain.err)) == (code, "", 1)

    return run


@pytest.fixture
def refused_golden(refused: Run, calibration: Path, texts: Path, tmp_path: Path) -> Run:
    """`golden` on a model folder or other arguments, given good texts."""

    def run(reason: str, *arguments: object, code: int = 1) -> None:
        given = ("--text", texts, "--calibration", calibration, "--sequence", 8)
        out = tmp_path / "new" / "out"
        refused(reason, "golden", "--out", out, *given, *arguments, code=code)

    return run


# Model folders.


def settings(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def weights(change: Callable[[dict[str, np.ndarray]], object]) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return rewrite


def planted(value: float) -> Callable[[Path], None]:
    def plant(tensors: dict[str, np.ndarray]) -> None:
        tensors["encoder.layer.0.output.dense.weight"][3, 5] = value

    return weights(plant)


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def rewritten(name: str, data: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return write


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def of_another_model(folder: Path) -> None:
    save_file({"h.0.attn.c_attn.weight": np.ones((4, 4), np.float32)}, folder / "model.safetensors")


def truncated(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty folder": (empty, "has no config.json"),
    "no config.json": (without("config.json"), "has no config.json"),
    "another model_type": (settings(model_type="gpt2"), "model_type must be one of .*not gpt2"),
    "no model_type": (settings(model_type=None), "model_type must be one of .*not None"),
    "config that is not JSON": (rewritten("config.json", b"{"), "config.json is not JSON"),
    "config that is not UTF-8": (rewritten("config.json", b"\xff{}"), "config.json is not JSON"),
    "config that is a list": (rewritten("config.json", b"[]"), "must be a JSON object"),
    "pickled weights": (pickled, "no .safetensors weights; pickled ones are never opened"),
    "weights of another model": (of_another_model, "has no tensor embeddings.word_embeddings"),
    "a layer without a tensor": (
        weights(lambda t: t.pop("encoder.layer.1.attention.self.key.bias")),
        "has no tensor encoder.layer.1.attention.self.key.bias",
    ),
    "truncated weights": (truncated, "is not safetensors .*download it again"),
    "empty weights": (rewritten("model.safetensors", b""), "is not safetensors"),
    "weights that are text": (rewritten("model.safetensors", b"git-lfs " * 20), "not safetensors"),
    "gelu_new": (settings(hidden_act="gelu_new"), "hidden_act must be gelu, not gelu_new"),
    "relu": (settings(hidden_act="relu"), "hidden_act must be gelu, not relu"),
    "relative positions": (
        settings(position_embedding_type="relative_key"),
        "position_embedding_type must be absolute, not relative_key",
    ),
    "decoder": (settings(is_decoder=True), "is_decoder must be False, not True"),
    "NaN": (planted(float("nan")), r"output.dense.weight must be finite, not nan at element 101"),
    "Inf": (planted(float("inf")), r"output.dense.weight must be finite, not inf at element 101"),
    "-Inf": (planted(float("-inf")), "must be finite, not -inf"),
    "hidden size as text": (settings(hidden_size="16"), "hidden_size must be a positive integer"),
    "no layers": (settings(num_hidden_layers=0), "num_hidden_layers must be a positive integer"),
    "heads that do not divide": (settings(num_attention_heads=3), "multiple of heads 3"),
    "hidden size beyond the limit": (settings(hidden_size=2048), "hidden must be at most 1024"),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_folder_that_is_no_supported_encoder_is_refused(
    refused_golden: Run, model: Path, case: str
) -> None:
    damage, reason = MODELS[case]
    damage(model)
    refused_golden(reason, model, "--layers", "all")


def test_a_model_folder_without_a_tokenizer_is_refused(refused_golden: Run, model: Path) -> None:
    without("vocab.txt")(model)
    without("tokenizer_config.json")(model)
    refused_golden("has no tokenizer", model)


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("vocab_size", 7, "token ids must be below vocab_size 7, not"),
        ("vocab_size", 9999, "word embeddings must be at least 9999 x 16, not"),
        ("layer_norm_eps", "tiny", r"layer_norm_eps must be in \(0, 1\), not 'tiny'"),
        ("layer_norm_eps", 0, r"layer_norm_eps must be in \(0, 1\), not 0"),
        ("max_position_embeddings", None, "max_position_embeddings must be a positive integer"),
        ("max_position_embeddings", 400, "position embeddings must be at least 400 x 16"),
        ("intermediate_size", 64, r"intermediate weight of layer 0 must be \(64, 16\), not"),
    ],
)
def test_a_config_that_contradicts_the_weights_is_refused(
    refused_golden: Run, model: Path, setting: str, value: object, reason: str
) -> None:
    path = model / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {setting: value}))
    refused_golden(reason, model)


@pytest.mark.parametrize("content", [b"", bytes(range(256))])
def test_a_damaged_vocabulary_is_refused(refused_golden: Run, model: Path, content: bytes) -> None:
    (model / "vocab.txt").write_bytes(content)
    refused_golden("tokenizer|token ids", model)


def test_the_model_folder_that_the_cases_damage_is_accepted(
    cli: Run, model: Path, calibration: Path, texts: Path, tmp_path: Path
) -> None:
    given = ("--text", texts, "--calibration", calibration, "--sequence", 8, "--layers", "all")
    done = cli("golden", model, "--out", tmp_path / "new" / "out", *given, "--json")
    assert (done.code, done.err) == (0, [])


@pytest.mark.parametrize("name", ["a/b/c", "./missing", "~/missing", "config.json"])
def test_a_path_that_is_no_folder_is_refused(
    refused_golden: Run, model: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model)
    refused_golden("is not a folder: give a model folder or a hub id", name)


def test_an_unreachable_hub_id_fails_fast(process: Run, tmp_path: Path) -> None:
    start = time.monotonic()
    done = process(
        "golden", "no-such-organisation/no-such-model", "--out", tmp_path / "o", "--json"
    )
    assert_refused(done, "the hub did not give it .*download it and name its folder")
    assert time.monotonic() - start < 60
    assert list(tmp_path.iterdir()) == []


# Texts and options.

TEXTS: dict[str, tuple[bytes | None, str]] = {
    "empty": (b"", "holds no text"),
    "white space": (b" \n\t\n\r\n", "holds no text"),
    "not UTF-8": (b"one\nr\xe9sum\xe9\n", "byte 0xe9 at offset 5 is not UTF-8"),
    "binary": (b"one\0two", "NUL byte at offset 3"),
    "missing": (None, "not found"),
}


@pytest.mark.parametrize("option", ["--text", "--calibration"])
@pytest.mark.parametrize("case", TEXTS)
def test_a_bad_text_file_is_refused(
    refused_golden: Run, model: Path, tmp_path: Path, option: str, case: str
) -> None:
    data, reason = TEXTS[case]
    path = tmp_path / "given.txt"
    if data is not None:
        path.write_bytes(data)
    refused_golden(f"given.txt.*{reason}", model, option, path)


def test_a_folder_instead_of_a_text_file_is_refused(
    refused_golden: Run, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    refused_golden("folder.*is a folder", model, "--text", tmp_path / "folder")


def test_too_little_calibration_text_is_refused(
    refused_golden: Run, model: Path, texts: Path
) -> None:
    reason = "calibration text must have at least 512 tokens, not 12: give a longer file"
    refused_golden(reason, model, "--calibration", texts)


OPTIONS: dict[str, tuple[tuple[object, ...], str, int]] = {
    "sequence over the model's": (("--sequence", 33), r"--sequence must be in \[1, 32\]", 1),
    "sequence 0": (("--sequence", 0), r"--sequence must be in \[1, 32\], not 0", 1),
    "sequence -1": (("--sequence", -1), r"--sequence must be in \[1, 32\], not -1", 1),
    "sequence as text": (("--sequence", "long"), "Invalid value for '--sequence'", 2),
    "layer out of range": (("--layers", 2), "--layers must lie in 0-1, not 2", 1),
    "range out of range": (("--layers", "1-2"), "--layers must lie in 0-1, not 1-2", 1),
    "range backwards": (("--layers", "1-0"), "--layers must lie in 0-1, not 1-0", 1),
    "layers garbage": (("--layers", "first"), "--layers must be a number", 1),
    "layers half a range": (("--layers", "0-"), "--layers must be a number", 1),
    "layers negative": (("--layers=-1",), "--layers must be a number", 1),
    "layers empty": (("--layers", ""), "--layers must be a number", 1),
    "layers huge": (("--layers", "9" * 30), "--layers must lie in 0-1", 1),
    "residual": (("--residual", 12), "residual_bits must be 8 or 16, not 12", 1),
    "level": (("--level", "foo"), "--level must be stage or op, not foo", 1),
    "threads": (("--threads", 0), "--threads must be at least 1, not 0", 1),
    "model and random": (("--random", "bert-tiny"), "give a model or --random, not both", 1),
    "unknown option": (("--no-such-option",), "No such option", 2),
    "seed as text": (("--seed", "lucky"), "Invalid value for '--seed'", 2),
    "a second model": (("another",), "unexpected extra argument", 2),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_a_bad_option_of_golden_is_refused(refused_golden: Run, model: Path, case: str) -> None:
    arguments, reason, code = OPTIONS[case]
    refused_golden(reason, model, *arguments, code=code)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--random", "foo"), "--random must be one of bert-tiny, .*not foo"),
        (("--random", ""), "--random must be one of bert-tiny, .*not"),
        (("--random", "bert-tiny", "--seed", -1), "seed must be at least 0, not -1"),
        (("--random", "bert-tiny", "--sequence", 513), r"--sequence must be in \[1, 512\]"),
    ],
)
def test_a_bad_random_model_is_refused(
    refused_golden: Run, arguments: tuple[object, ...], reason: str
) -> None:
    refused_golden(reason, *arguments)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("verify", "BUNDLE", "--threads", 0), "--threads must be at least 1, not 0"),
        (("verify", "BUNDLE", "--on", "fpga"), "--on must name some of .*not 'fpga'"),
        (("verify", "BUNDLE", "--on", ""), "--on must name some of .*not ''"),
        (("verify", "BUNDLE", "--on", "native"), "executor native cannot run here: no C"),
        (
            ("export", "BUNDLE", "--format", "hex"),
            "--format must be one of mem, bin, npy, beats, not hex",
        ),
        (("export", "BUNDLE", "--layer", 7), "not layer 7"),
        (("export", "BUNDLE", "--stage", "softmax"), "not layer None stage softmax"),
        (("bench", "weather"), "bench must be one of golden, csim, rtl, host, not weather"),
        (("bench", "golden", "--repetitions", 0), "must be at least 1"),
        (("bench", "golden", "--sequence", 513), r"in \[1, 512\]"),
    ],
)
def test_a_bad_option_of_another_command_is_refused(
    refused: Run, stage_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[object, ...], reason: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    refused(reason, *(stage_bundle if a == "BUNDLE" else a for a in arguments))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "Missing command"),
        (("golden", "--out"), "requires an argument"),
        (("frobnicate",), "No such command 'frobnicate'"),
        (("verify",), "Missing argument"),
    ],
)
def test_a_command_line_without_its_command_or_argument_is_refused(
    cli: Run, arguments: tuple[object, ...], reason: str
) -> None:
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    (line,) = done.err
    assert reason in line and line.endswith("(transfab --help)")


# Destinations.


@pytest.mark.parametrize("command", ["golden", "export"])
def test_an_existing_output_is_kept_without_force(
    refused: Run, model: Path, calibration: Path, texts: Path, tmp_path: Path, tiny_bundle: Path,
    command: str,
) -> None:  # fmt: skip
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years")
    given = ("--text", texts, "--calibration", calibration, "--sequence", 8)
    start = ("golden", model, *given) if command == "golden" else ("export", tiny_bundle)
    refused("out exists: add --force to replace it", *start, "--out", tmp_path / "out")
    refused("out holds no .* is not replaced", *start, "--out", tmp_path / "out", "--force")
    (tmp_path / "out" / "manifest.json").write_text('{"name": "app"}')
    (tmp_path / "out" / "index.json").write_text("{}")
    refused("out holds no .* is not replaced", *start, "--out", tmp_path / "out", "--force")
    refused("Not a directory|File exists", *start, "--out", texts / "out")


def namespace(tmp_path: Path) -> list[str]:
    """The command prefix of a private mount namespace; skips where there is none."""
    if shutil.which("unshare") and shutil.which("mount"):
        (tmp_path / "probe").mkdir()
        for prefix in NAMESPACES:
            probe = f"mount -t tmpfs -o size=64k tmpfs {tmp_path / 'probe'}"
            if subprocess.run([*prefix, "sh", "-c", probe], capture_output=True).returncode == 0:
                return prefix
    return []


def mounted(prefix: list[str], script: str, folder: Path) -> Callable[[list[str]], list[str]]:
    """Run a command after `script` in a namespace, then list every file left under `folder`."""
    text = f'{script} && {{ "$@"; code=$?; find "{folder}" -mindepth 1 >&2; exit $code; }}'
    return lambda command: [*prefix, "sh", "-c", text, "sh", *command]


def test_a_full_disk_is_reported_and_left_empty(
    process: Run, tiny_bundle: Path, calibration: Path, texts: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    golden = ("golden", "--random", "bert-tiny", "--text", texts, "--calibration", calibration)
    commands = [("export", tiny_bundle, "--format", "bin"), golden]
    prefix = namespace(tmp_path)
    for command in commands:
        given = (*command, "--out", disk / "new" / "out", "--json")
        if prefix:
            wrap = mounted(prefix, f'mount -t tmpfs -o size=32k tmpfs "{disk}"', disk)
            assert_refused(process(*given, wrap=wrap), f"{disk}.*: No space left on device")
        else:  # a limit on the size of a file stands in for the disk's
            limit = f"import resource; resource.setrlimit({resource.RLIMIT_FSIZE}, (1000, 1000))"
            assert_refused(process(*given, before=limit), f"{disk}.*: File too large")
            assert list(disk.iterdir()) == []


def test_a_read_only_folder_is_reported(process: Run, stage_bundle: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    given = ("export", stage_bundle, "--out", disk / "new" / "out", "--json")
    if prefix := namespace(tmp_path):
        script = f'mount -t tmpfs tmpfs "{disk}" && mount -o remount,ro "{disk}"'
        done = process(*given, wrap=mounted(prefix, script, disk))
        assert_refused(done, "Read-only file system")
    elif os.geteuid() != 0:
        disk.chmod(0o500)
        assert_refused(process(*given), "Permission denied")
        assert list(disk.iterdir()) == []
    else:
        pytest.skip("root without mount namespaces can write everywhere")


# Signals.


def start_golden(out: Path, *arguments: object) -> subprocess.Popen[str]:
    """A real run of some seconds, returned once it has written its first file."""
    command = [sys.executable, "-m", "transfab", "golden", "--random", "bert-tiny", "--quick"]
    given = ["--layers", "all", "--threads", "1", "--out", out, *arguments]
    running = subprocess.Popen(
        [*command, *map(str, given)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CXX": "no-such-compiler"},
    )
    deadline = time.monotonic() + 120
    while not list(out.parent.glob(f".{out.name}.partial-*/layer00.qkv.safetensors")):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    return running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_mid_run_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    running = start_golden(tmp_path / "runs" / "out", "--json")
    running.send_signal(number)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 130
    assert json.loads(out) == {"error": "interrupted; nothing was written"}
    assert [line for line in err.splitlines() if not line.startswith("[")] == [
        "transfab: interrupted; nothing was written"
    ]
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_swept_by_the_next(
    cli: Run, model: Path, calibration: Path, texts: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    running = start_golden(runs / "out")
    running.kill()
    running.communicate()
    (left,) = runs.iterdir()
    assert left.name.startswith(".out.partial-")
    given = ("--text", texts, "--calibration", calibration, "--sequence", 8)
    assert cli("golden", model, "--out", runs / "out", *given).code == 0
    assert [path.name for path in runs.iterdir()] == ["out"]


# Bundles.


@pytest.fixture
def refused_bundle(cli: Run) -> Run:
    """Every command that reads a bundle must refuse a folder and leave it as it is."""

    def run(reason: str, folder: Path) -> None:
        before = snapshot(folder.parent)
        out = folder.parent / "new" / "out"
        for command in (("verify",), ("inspect",), ("export", "--out", out)):
            assert_refused(cli(command[0], folder, *command[1:], "--json"), reason)
        assert snapshot(folder.parent) == before

    return run


@pytest.fixture
def damaged(stage_bundle: Path, tmp_path: Path) -> Path:
    """A copy of a bundle to be damaged."""
    return Path(shutil.copytree(stage_bundle, tmp_path / "bundle"))


def test_one_flipped_bit_anywhere_is_refused(cli: Run, damaged: Path) -> None:
    for path in sorted(damaged.iterdir()):
        data = path.read_bytes()
        for part in range(8):
            place = part * (len(data) - 1) // 7
            flipped = bytearray(data)
            flipped[place] ^= 1 << part
            path.write_bytes(flipped)
            assert_refused(cli("verify", damaged, "--json"), path.name)
        path.write_bytes(data)
    assert cli("verify", damaged).code == 0


def test_a_flipped_bit_of_a_tensor_is_refused_by_its_name(
    refused_bundle: Run, damaged: Path
) -> None:
    path = damaged / "layer01.qkv.safetensors"
    data = bytearray(path.read_bytes())
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    data[8 + length + header["output/key"]["data_offsets"][0]] ^= 1
    path.write_bytes(data)
    refused_bundle("layer01.qkv.safetensors: tensor output/key differs from its sha256", damaged)


def manifest_with(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """The manifest with a change that its own checksum does not cover."""

    def write(folder: Path) -> None:
        values = json.loads((folder / "manifest.json").read_text())
        change(values)
        (folder / "manifest.json").write_text(json.dumps(values, indent=1) + "\n")

    return write


def another_config(values: dict[str, Any]) -> None:
    """An edited config whose own hash is right, as somebody who means well would write it."""
    import hashlib

    values["config"]["gelu_entries"] = 128
    text = json.dumps(values["config"], sort_keys=True, separators=(",", ":"))
    values["config_hash"] = hashlib.sha256(text.encode()).hexdigest()[:16]


def another_shape(values: dict[str, Any]) -> None:
    from transfab.quant.config import LayerConfig

    values["config"]["feed_forward"] = 64
    values["config_hash"] = LayerConfig.from_dict(values["config"]).hash


def without_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / "layer00.qkv.safetensors")
    del tensors["output/value"]
    save_file(tensors, folder / "layer00.qkv.safetensors")


BUNDLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated tensors": (
        lambda f: os.truncate(f / "layer00.output.safetensors", 1000),
        "layer00.output.safetensors must have 2384 bytes",
    ),
    "truncated manifest": (lambda f: os.truncate(f / "manifest.json", 5000), "is not JSON"),
    "emptied manifest": (lambda f: os.truncate(f / "manifest.json", 0), "is not JSON"),
    "another schema": (
        manifest_with(lambda values: values.update(schema=3)),
        "schema must be 2, not 3.*`transfab golden`",
    ),
    "an older schema": (
        manifest_with(lambda values: values.update(schema=1)),
        "schema must be 2, not 1.*`transfab golden`",
    ),
    "no schema": (manifest_with(lambda values: values.pop("schema")), "schema must be 2, not None"),
    "another arithmetic": (
        manifest_with(another_config),
        "config has gelu_entries 128, this version computes with 256: .*`transfab golden`$",
    ),
    "another shape": (manifest_with(another_shape), "differs from its checksum"),
    "another model name": (
        manifest_with(lambda values: values["model"].update(name="gpt")),
        "differs from its checksum",
    ),
    "an unknown field": (
        manifest_with(lambda values: values.update(extra=1)),
        "'extra' Extra inputs are not permitted",
    ),
    "the same values, written otherwise": (
        lambda f: (f / "manifest.json").write_text(
            json.dumps(json.loads((f / "manifest.json").read_text()))
        ),
        "differs from its checksum",
    ),
    "a missing tensor": (without_a_tensor, "layer00.qkv.safetensors must have"),
    "a missing file": (without("layer01.scales.json"), "layer01.scales.json is missing"),
    "a missing manifest": (without("manifest.json"), "has no manifest.json: it is no bundle"),
    "an extra file": (rewritten("notes.txt", b""), "notes.txt is not in the manifest"),
    "a hidden extra file": (rewritten(".DS_Store", b"x"), ".DS_Store is not in the manifest"),
    "a manifest that is a list": (rewritten("manifest.json", b"[]"), "schema must be 2, not None"),
    "a manifest that is not JSON": (rewritten("manifest.json", b"\xff\xfe\0"), "is not JSON"),
    "a deep manifest": (rewritten("manifest.json", b"[" * 100_000), "is not JSON"),
    "an empty folder": (empty, "has no manifest.json: it is no bundle"),
}


@pytest.mark.parametrize("case", BUNDLES)
def test_a_damaged_bundle_is_refused(refused_bundle: Run, damaged: Path, case: str) -> None:
    damage, reason = BUNDLES[case]
    damage(damaged)
    refused_bundle(reason, damaged)


@pytest.mark.parametrize("kind", ["file", "missing", "link to nothing", "pipe"])
def test_a_path_that_is_no_bundle_folder_is_refused(
    refused_bundle: Run, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "bundle"
    match kind:
        case "file":
            path.write_text("x")
        case "link to nothing":
            path.symlink_to(tmp_path / "nowhere")
        case "pipe":
            path.mkdir()
            os.mkfifo(path / "manifest.json")
    refused_bundle("has no manifest.json: it is no bundle", path)


def test_a_bundle_name_on_several_lines_is_reported_on_one(
    refused_bundle: Run, tmp_path: Path
) -> None:
    (tmp_path / "two\nlines").mkdir()
    refused_bundle("two lines has no manifest.json", tmp_path / "two\nlines")
