"""A folder appears whole or not at all, and what stood there stands until then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from transfab.quant.atomic import replacing

MARKER = "manifest.json"
OURS = '{"config_hash": "0"}'

# Holds the folder open until its input ends, as a run of minutes would.
HOLDER = """
import sys
from pathlib import Path
from transfab.quant.atomic import replacing
with replacing(Path(sys.argv[1]), True, "manifest.json") as folder:
    (folder / "half").write_text("")
    print("writing", flush=True)
    sys.stdin.read()
    (folder / "manifest.json").write_text('{"config_hash": "held"}')
"""


def write(destination: Path, text: str = OURS, force: bool = False) -> None:
    with replacing(destination, force, MARKER) as folder:
        (folder / MARKER).write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def hold(destination: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(destination)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "writing\n"
    return process


def test_the_folder_appears_with_its_parents_at_the_end(tmp_path: Path) -> None:
    destination = tmp_path / "a" / "b" / "bundle"
    with replacing(destination, False, MARKER) as folder:
        (folder / MARKER).write_text(OURS)
        assert not destination.exists()
    assert names(destination.parent) == ["bundle"]
    assert (destination / MARKER).read_text() == OURS


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, MemoryError])
def test_an_error_leaves_neither_the_folder_nor_its_parents(
    tmp_path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error), replacing(tmp_path / "a" / "b" / "c", False, MARKER) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("")
        raise error
    assert names(tmp_path) == []


def test_an_error_leaves_a_parent_that_something_else_is_in_by_now(tmp_path: Path) -> None:
    with pytest.raises(ValueError), replacing(tmp_path / "a" / "b", False, MARKER):
        (tmp_path / "a" / "other").write_text("")
        raise ValueError
    assert names(tmp_path / "a") == ["other"]


def test_force_replaces_and_an_error_keeps_what_stood_there(tmp_path: Path) -> None:
    write(tmp_path / "bundle", OURS)
    with pytest.raises(ValueError), replacing(tmp_path / "bundle", True, MARKER):
        raise ValueError
    assert (tmp_path / "bundle" / MARKER).read_text() == OURS
    write(tmp_path / "bundle", OURS + " ", force=True)
    assert (tmp_path / "bundle" / MARKER).read_text() == OURS + " "
    assert names(tmp_path) == ["bundle"]


def test_an_existing_folder_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    write(tmp_path / "bundle")
    with pytest.raises(ValueError, match="exists: add --force to replace it"):
        write(tmp_path / "bundle", "other")
    assert (tmp_path / "bundle" / MARKER).read_text() == OURS


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "stranger", "namesake", "tree"])
def test_force_never_replaces_what_is_not_ours(tmp_path: Path, kind: str) -> None:
    destination, other = tmp_path / "out", tmp_path / "other"
    write(other)
    match kind:
        case "file":
            destination.write_text(OURS)
        case "link":
            destination.symlink_to(other)
        case "dangling link":
            destination.symlink_to(tmp_path / "nowhere")
        case "stranger":
            destination.mkdir()
            (destination / "thesis.tex").write_text("")
        case "namesake":  # a web application has a manifest.json too
            destination.mkdir()
            (destination / MARKER).write_text('{"name": "app", "icons": []}')
        case "tree":
            (destination / MARKER).mkdir(parents=True)
    before = destination.lstat()
    with pytest.raises(ValueError, match=r"is not replaced: choose another name$"):
        write(destination, force=True)
    assert destination.lstat() == before
    assert names(tmp_path) == ["other", "out"]
    assert (other / MARKER).read_text() == OURS


def test_an_empty_folder_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", force=True)
    assert (tmp_path / "out" / MARKER).read_text() == OURS


def test_what_another_run_put_there_meanwhile_is_kept_without_force(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="exists: add --force"),
        replacing(tmp_path / "out", False, MARKER),
    ):
        write(tmp_path / "out", OURS)
    assert (tmp_path / "out" / MARKER).read_text() == OURS
    assert names(tmp_path) == ["out"]


def test_the_last_of_two_forced_runs_wins_and_both_are_whole(tmp_path: Path) -> None:
    with replacing(tmp_path / "out", True, MARKER) as folder:
        (folder / MARKER).write_text(OURS + "outer")
        write(tmp_path / "out", OURS + "inner", force=True)
    assert (tmp_path / "out" / MARKER).read_text() == OURS + "outer"
    assert names(tmp_path) == ["out"]


def test_a_failed_rename_puts_back_what_stood_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "out")
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if ".partial-" in self.name:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="Input/output error"):
        write(tmp_path / "out", OURS + " ", force=True)
    assert (tmp_path / "out" / MARKER).read_text() == OURS
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("name", ["out", "o[u]t", "o*", "o.u+t"])
def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path: Path, name: str) -> None:
    process = hold(tmp_path / name)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (left,) = names(tmp_path)
    assert left.startswith(f".{name}.partial-")
    write(tmp_path / name)
    assert names(tmp_path) == [name]


def test_the_folder_of_a_run_that_still_writes_is_left_alone(tmp_path: Path) -> None:
    process = hold(tmp_path / "out")
    write(tmp_path / "out")
    assert len(names(tmp_path)) == 2
    process.communicate("")
    assert process.returncode == 0
    assert names(tmp_path) == ["out"]
    assert "held" in (tmp_path / "out" / MARKER).read_text()


def test_what_a_run_killed_between_two_renames_moved_aside_is_put_back(tmp_path: Path) -> None:
    write(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / ".out.old-0123abcd")
    (tmp_path / ".out.partial-0123abcd").mkdir()
    with pytest.raises(ValueError, match="exists: add --force"):
        write(tmp_path / "out", "other")
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / MARKER).read_text() == OURS


def test_names_that_only_look_like_leftovers_are_kept(tmp_path: Path) -> None:
    keep = [".out.partial-", ".out.partial-xyz", ".out.partial-0123abcd.tar", ".other.old-0123abcd"]
    for name in keep:
        (tmp_path / name).mkdir()
    (tmp_path / ".out.partial-0123abcd").write_text("a file")
    (tmp_path / ".out.old-0123abcd").symlink_to(tmp_path)
    write(tmp_path / "out")
    assert set(names(tmp_path)) == {*keep, ".out.partial-0123abcd", ".out.old-0123abcd", "out"}


def test_the_folder_has_the_mode_that_the_user_asks_for(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write(tmp_path / "out")
    finally:
        os.umask(mask)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750


def test_a_parent_that_is_a_file_is_an_error_and_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError):
        write(tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "kept"


def test_an_error_of_the_system_names_the_destination(tmp_path: Path) -> None:
    with pytest.raises(OSError) as full, replacing(tmp_path / "out", False, MARKER):
        raise OSError(28, "No space left on device")
    assert full.value.filename == str(tmp_path / "out")
    with pytest.raises(OSError, match=r"^not a file$"), replacing(tmp_path / "out", False, MARKER):
        raise OSError("not a file")


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    if before is None:
        pytest.skip("open descriptors are counted in /proc")
    for _ in range(3):
        write(tmp_path / "out", force=True)
    assert len(os.listdir("/proc/self/fd")) == before
