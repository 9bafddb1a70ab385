"""Recursion, by the graph of which function of the kernels names which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from clang.cindex import CursorKind, conf

from transfab.hls.checks.source import (
    FUNCTIONS,
    Cursor,
    Finding,
    Unit,
    descendants,
    is_constant,
    is_constexpr,
)

RULE: Final = "recursion"
NAMING: Final = (
    CursorKind.DECL_REF_EXPR,
    CursorKind.MEMBER_REF_EXPR,
    CursorKind.OVERLOADED_DECL_REF,
)

Graph = dict[str, set[str]]


def recursive_functions(unit: Unit) -> Iterator[Finding]:
    """Functions that reach themselves.

    One that is constexpr may, as long as everybody else calls it with constants alone: then the
    compiler computes it. A name that depends on a template parameter stands for every function of
    that name.
    """
    functions = {one.get_usr(): one for one in unit.cursors if _is_body(one)}
    by_name: Graph = {}
    for usr, function in functions.items():
        by_name.setdefault(function.spelling, set()).add(usr)
    graph = {
        usr: {called for name in _names(one) for called in _targets(name, by_name, functions)}
        for usr, one in functions.items()
    }
    for usr, function in functions.items():
        circle = {usr} | {one for one in _reached(graph, usr) if usr in _reached(graph, one)}
        if usr in _reached(graph, usr):
            others = [one for name, one in functions.items() if name not in circle]
            if not (is_constexpr(function) and _constant_calls(others, function.spelling)):
                yield unit.finding(function, RULE, f"{function.spelling} calls itself in the end")


def _is_body(cursor: Cursor) -> bool:
    return cursor.kind in FUNCTIONS and bool(cursor.is_definition())


def _names(function: Cursor) -> Iterator[Cursor]:
    return descendants(function, lambda one: one.kind in NAMING)


def _targets(name: Cursor, by_name: Graph, functions: dict[str, Cursor]) -> set[str]:
    target = name.referenced
    if target is not None and name.kind != CursorKind.OVERLOADED_DECL_REF:
        template = conf.lib.clang_getSpecializedCursorTemplate(target)
        usr = (template or target).get_usr()
        return {usr} if usr in functions else set()
    return by_name.get(name.spelling, set())


def _reached(graph: Graph, start: str) -> set[str]:
    """Functions that are reached from one by at least one call."""
    reached: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        function = waiting.pop()
        if function not in reached:
            reached.add(function)
            waiting += graph[function]
    return reached


def _constant_calls(callers: list[Cursor], name: str) -> bool:
    """Whether all calls of a function have constant arguments."""
    for caller in callers:
        for call in descendants(caller, lambda one: one.kind == CursorKind.CALL_EXPR):
            parts = list(call.get_children())
            calls_it = parts and name in {one.spelling for one in _names(parts[0])}
            if calls_it and not all(map(is_constant, parts[1:])):
                return False
    return True
