"""Loops that synthesis can bound: `for` loops that count in one direction to a limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from clang.cindex import CursorKind

from transfab.hls.checks.source import (
    Cursor,
    Finding,
    Unit,
    descendants,
    is_constant,
    operator_of,
)

RULE: Final = "unbounded loop"
UP: Final = ("<", "<=")
DOWN: Final = (">", ">=")
ASSIGNING: Final = (CursorKind.BINARY_OPERATOR, CursorKind.COMPOUND_ASSIGNMENT_OPERATOR)


def unbounded_loops(unit: Unit) -> Iterator[Finding]:
    """`for` loops whose end is not certain; while, do and goto are found by their keywords."""
    for cursor in unit.cursors:
        if cursor.kind == CursorKind.FOR_STMT:
            reason = _reason(cursor)
            if reason:
                yield unit.finding(cursor, RULE, reason)
        elif cursor.kind == CursorKind.CXX_FOR_RANGE_STMT:
            yield unit.finding(cursor, RULE, "for over a range: count an index to its length")


def _reason(loop: Cursor) -> str:
    """Why a loop may not end, or nothing."""
    condition, step, body = _parts(loop)
    if condition is None:
        return "for without a condition"
    if step is None:
        return "for without a step"
    variable, direction = _step(step)
    if not direction:
        return "the step of for must add to or subtract from its variable by a constant"
    bounds = [one for one in _conjuncts(condition) if _counts(one, variable, direction)]
    if not bounds:
        return f"the condition of for must compare {variable} with a limit that its step moves to"
    if not any(_is_kept(bound, body) for bound in bounds):
        return f"the body of for changes what its condition compares {variable} with, or {variable}"
    return ""


def _is_kept(bound: Cursor, body: list[Cursor]) -> bool:
    """Whether nothing that a comparison names is assigned to in the body of its loop."""
    compared = {one.referenced for one in _names(bound)} - {None}
    return not any(name.referenced in compared for part in body for name in _assigned(part))


def _parts(loop: Cursor) -> tuple[Cursor | None, Cursor | None, list[Cursor]]:
    """Condition, step and body of a `for`: clang leaves out the parts that are not written."""
    depth, borders = 0, []
    for token in loop.get_tokens():
        depth += {"(": 1, ")": -1}.get(token.spelling, 0)
        if (depth == 1 and token.spelling == ";") or (depth == 0 and token.spelling == ")"):
            borders.append(token.extent.start.offset)
        if len(borders) == 3:
            break
    condition = step = None
    body = []
    for part in loop.get_children():
        after = sum(part.extent.start.offset > border for border in borders)
        if after == 1:
            condition = part
        elif after == 2:
            step = part
        elif after == 3:
            body.append(part)
    return condition, step, body


def _names(cursor: Cursor) -> Iterator[Cursor]:
    return descendants(cursor, lambda one: one.kind == CursorKind.DECL_REF_EXPR)


def _step(step: Cursor) -> tuple[str, str]:
    """The variable that a step changes, and "up", "down" or "" for neither for certain."""
    parts = list(step.get_children())
    variable = parts[0].spelling if parts else ""
    operator = operator_of(step)
    if step.kind == CursorKind.UNARY_OPERATOR:
        return variable, {"++": "up", "--": "down"}.get(operator, "")
    if step.kind == CursorKind.COMPOUND_ASSIGNMENT_OPERATOR and is_constant(parts[1]):
        written = [token.spelling for token in parts[1].get_tokens()]
        if "-" not in written and written != ["0"]:
            return variable, {"+=": "up", "-=": "down"}.get(operator, "")
    return variable, ""


def _conjuncts(condition: Cursor) -> Iterator[Cursor]:
    """The parts of a condition all of which must hold."""
    if condition.kind == CursorKind.BINARY_OPERATOR and operator_of(condition) == "&&":
        for part in condition.get_children():
            yield from _conjuncts(part)
    else:
        yield condition


def _counts(comparison: Cursor, variable: str, direction: str) -> bool:
    if comparison.kind != CursorKind.BINARY_OPERATOR:
        return False
    left, right = ([one.spelling for one in _names(part)] for part in comparison.get_children())
    operator = operator_of(comparison)
    if left == [variable] and variable not in right:
        return operator in (UP if direction == "up" else DOWN)
    if right == [variable] and variable not in left:
        return operator in (DOWN if direction == "up" else UP)
    return False


def _assigned(body: Cursor) -> Iterator[Cursor]:
    """What a statement assigns to, where it is named."""
    for cursor in body.walk_preorder():
        parts = list(cursor.get_children())
        if cursor.kind in ASSIGNING and operator_of(cursor).endswith("="):
            if operator_of(cursor) not in ("==", "!=", "<=", ">="):
                yield parts[0]
        elif cursor.kind == CursorKind.UNARY_OPERATOR and operator_of(cursor) in ("++", "--"):
            yield parts[0]
