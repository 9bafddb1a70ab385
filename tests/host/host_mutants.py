"""Broken copies of the host's side, and what the checks that kill them share.

A mutant is the product's own source with one text replaced, imported under another name. The text
is matched in `ast.unparse`'s form. Kernels here only scramble, so that every byte counts and no
compiler is needed.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from emulated_boards import Bench, Layer, kernel_threads, scrambled
from strategies import random_case
from stream_oracle import BUILDS

from transfab.quant.bert.layer import run_layer
from transfab.quant.contract.tops import TOPS

PRODUCT, MUTATED = "transfab.host", "mutated_host"
Patch = tuple[str, str, str]  # module below the product, old text, new text
Check = Callable[[str, Path], bool]  # package, folder of its own -> whether all is as it should be
LAYERS = [Layer(BUILDS[4], random_case(seed, "plain", BUILDS[4].shape, 3, 6)) for seed in (1, 2)]
FIRST = LAYERS[0]
TENSORS = [run_layer(one.config, one.case.parameters(), *one.case.arrays()) for one in LAYERS]
# Seconds of the driver's clock: it stands while a kernel is at work.
PATIENCE = 0.1


@cache
def normal_source(module: str) -> tuple[str, bool]:
    """Text of a module in `ast.unparse`'s form, and whether it is a package."""
    spec = importlib.util.find_spec(f"{PRODUCT}.{module}" if module else PRODUCT)
    assert spec is not None
    assert spec.origin is not None
    text = ast.unparse(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
    return text, spec.submodule_search_locations is not None


def mutated_code(module: str, text: str) -> CodeType:
    return compile(text.replace(PRODUCT, MUTATED), f"<mutated {module}>", "exec")


@cache
def intact_code(module: str) -> CodeType:
    return mutated_code(module, normal_source(module)[0])


class Mutator(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the product as `mutated_host`, with a patch applied."""

    def __init__(self, *patches: Patch) -> None:
        self.texts: dict[str, str] = {}
        for module, old, new in patches:
            text = self.texts.get(module, normal_source(module)[0])
            assert text.count(old) == 1, f"{module} holds {old!r} {text.count(old)} times"
            self.texts[module] = text.replace(old, new)

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        top, _, module = fullname.partition(".")
        if top != MUTATED:
            return None
        is_package = normal_source(module)[1]
        return importlib.util.spec_from_loader(fullname, self, is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__.partition(".")[2]
        texts = self.texts
        code = mutated_code(name, texts[name]) if name in texts else intact_code(name)
        exec(code, module.__dict__)


@contextmanager
def mutated(*patches: Patch) -> Iterator[str]:
    """The package name under which the patched product can be imported, inside the context."""
    finder = Mutator(*patches)
    sys.meta_path.insert(0, finder)
    try:
        yield MUTATED
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] == MUTATED]:
            del sys.modules[name]


def expected(layer: Layer, tensors: Any, top: str, index: int, **given: Any) -> Any:
    """What a scrambling kernel must be given, and makes; `given` replaces activations."""
    packets = layer.activations(top, index, tensors) | given
    inputs = packets | layer.parameters(top)
    run = scrambled(layer.config, layer.engine)
    return run(top, layer.sequence, [inputs[name] for name in TOPS[top].inputs])


def refused(bench: Bench, act: Callable[[], object], *parts: str) -> bool:
    try:
        act()
    except bench.error as err:
        return all(part in str(err) for part in parts)
    return False


def survives(checks: Sequence[Check], folder: Path, *patches: Patch) -> bool:
    with mutated(*patches) as package:
        try:
            return all(check(package, folder / check.__name__) for check in checks)
        except Exception:  # a mutant that stumbles is dead, too
            return False
        finally:
            # What a mutant did not end is not the next one's.
            for thread in kernel_threads():
                thread.name = "mutant"
