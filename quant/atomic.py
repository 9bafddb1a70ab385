"""Folders that appear whole or not at all."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Bundles and exports name it in their marker file; no other tool's manifest.json does.
SIGNATURE = b'"config_hash"'


@contextmanager
def replacing(destination: Path, force: bool, marker: str) -> Iterator[Path]:
    """A hidden folder that becomes `destination` when the block ends without an error.

    destination  where the folder is to stand; parents are made
    force        replace what stands there
    marker       a file of ours that a folder must hold (or be empty) to be replaced

    Raises ValueError if the destination exists and may not be replaced. Whatever goes wrong, the
    hidden folder is removed and what stood there before still stands. What a killed run left is
    cleared by the next run to the same destination.
    """
    destination = Path(os.path.abspath(destination))
    if destination.parent.is_dir():
        _sweep(destination)
    _check_free(destination, force, marker)
    locks: list[int] = []
    token = secrets.token_hex(4)
    partial = destination.parent / f".{destination.name}.partial-{token}"
    old = destination.parent / f".{destination.name}.old-{token}"
    made: list[Path] = []
    try:
        _make(destination.parent, made)
        partial.mkdir()
        _hold(partial, locks)
        yield partial
        _check_free(destination, force, marker)
        if destination.exists():
            _hold(destination, locks)
            destination.rename(old)
        partial.rename(destination)
        made.clear()
    except OSError as err:
        if err.errno and err.filename is None:  # a full disk does not say which
            err.filename = str(destination)
        raise
    finally:
        if old.exists() and not destination.exists():
            old.rename(destination)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
        for folder in reversed(made):
            with suppress(OSError):  # something else is in it now
                folder.rmdir()
        for descriptor in locks:
            os.close(descriptor)


def _check_free(destination: Path, force: bool, marker: str) -> None:
    if not os.path.lexists(destination):
        return
    if not force:
        raise ValueError(f"{destination} exists: add --force to replace it")
    replaceable = destination.is_dir() and not destination.is_symlink()
    if replaceable and any(destination.iterdir()):
        file = destination / marker
        replaceable = file.is_file() and SIGNATURE in file.read_bytes()
    if not replaceable:
        raise ValueError(
            f"{destination} holds no {marker} of transfab and is not replaced: choose another name"
        )


def _make(folder: Path, made: list[Path]) -> None:
    """Make a folder and its parents, appending to `made` each one that was not there."""
    if not folder.is_dir():
        _make(folder.parent, made)
        folder.mkdir(exist_ok=True)
        made.append(folder)


def _hold(folder: Path, locks: list[int]) -> bool:
    """Lock a folder until its descriptor, appended to `locks`, is closed; False if another has it.

    The kernel drops the lock of a process that dies, whatever way: a process number instead
    could belong to another process by then, or to another container.
    """
    try:
        locks.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
        fcntl.flock(locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or a file system without locks, where nothing is ever swept
        return False
    return True


def _sweep(destination: Path) -> None:
    """Clear hidden folders of runs that were killed before they could; put back what they moved."""
    name = re.compile(rf"\.{re.escape(destination.name)}\.(partial|old)-[0-9a-f]{{8}}")
    for left in sorted(destination.parent.iterdir()):
        match = name.fullmatch(left.name)
        if not match or left.is_symlink() or not left.is_dir():
            continue
        locks: list[int] = []
        try:
            if _hold(left, locks):
                if match[1] == "old" and not destination.exists():
                    left.rename(destination)
                else:
                    shutil.rmtree(left, ignore_errors=True)
        finally:
            for descriptor in locks:
                os.close(descriptor)
