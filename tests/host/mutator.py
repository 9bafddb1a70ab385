"""Broken copies of the host's side, for tests that must notice.

A mutant is the product's own source with one text replaced, imported under another name. The text
is matched in `ast.unparse`'s form.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

PRODUCT, MUTATED = "transfab.host", "mutated_host"
Patch = tuple[str, str, str]  # module below the product, old text, new text


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
