"""Rules that one token, one type or one name can break."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from clang.cindex import CursorKind, TokenKind, TypeKind, conf

from transfab.hls.checks.source import VENDOR, Cursor, Finding, Unit, normal

FLOATING_POINT: Final = "floating point"
DYNAMIC_MEMORY: Final = "dynamic memory"
UNBOUNDED_LOOP: Final = "unbounded loop"
VIRTUAL_CALL: Final = "virtual call"
EXCEPTION: Final = "exception"
SYSTEM_CALL: Final = "system call"
LIBRARY: Final = "library"
FUNCTION_POINTER: Final = "function pointer"

KEYWORDS: Final = {
    **dict.fromkeys(("float", "double"), FLOATING_POINT),
    **dict.fromkeys(("new", "delete"), DYNAMIC_MEMORY),
    **dict.fromkeys(("while", "do", "goto"), UNBOUNDED_LOOP),
    **dict.fromkeys(("virtual", "dynamic_cast", "typeid"), VIRTUAL_CALL),
    **dict.fromkeys(("try", "catch", "throw"), EXCEPTION),
    **dict.fromkeys(("asm", "__asm__"), SYSTEM_CALL),
}
FLOATING: Final = re.compile(r"\b(?:float|double|half|__fp16|_Float\d+x?|__float128|__bf16)\b")
ALLOCATING: Final = {"malloc", "calloc", "realloc", "aligned_alloc", "free", "alloca"}
HEADERS: Final = {"cstdint", "type_traits", "ap_int.h", "ap_axi_sdata.h", "hls_stream.h"}
HEADERS_OF_A_BUILD: Final = {"config.hpp", "queue.hpp"}
# Integers of the library, and what chooses between types.
LIBRARY_NAMES: Final = {
    *(f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("conditional", "conditional_t", "integral_constant", "is_same"),
}
NAMING: Final = (
    CursorKind.DECL_REF_EXPR,
    CursorKind.MEMBER_REF_EXPR,
    CursorKind.OVERLOADED_DECL_REF,
    CursorKind.TYPE_REF,
    CursorKind.TEMPLATE_REF,
)
REFERRING: Final = (
    TypeKind.POINTER,
    TypeKind.LVALUEREFERENCE,
    TypeKind.RVALUEREFERENCE,
)
STORED: Final = (
    CursorKind.VAR_DECL,
    CursorKind.FIELD_DECL,
    CursorKind.PARM_DECL,
    CursorKind.TYPEDEF_DECL,
    CursorKind.TYPE_ALIAS_DECL,
)


def forbidden_words(unit: Unit, file: Path) -> Iterator[Finding]:
    """Keywords of a file, in parts that no parse compiles as well."""
    before = ""
    for token in unit.tokens(file):
        word = token.spelling
        deleted = word == "delete" and before == "="
        if token.kind == TokenKind.KEYWORD and word in KEYWORDS and not deleted:
            yield unit.finding(token, KEYWORDS[word], word)
        before = word


def forbidden_includes(unit: Unit) -> Iterator[Finding]:
    for cursor in unit.tree.cursor.get_children():
        if cursor.kind == CursorKind.INCLUSION_DIRECTIVE and unit.is_kernel_code(cursor):
            name = cursor.spelling
            quoted = normal(str(Path(cursor.location.file.name).parent / name))
            if name not in HEADERS and not (unit.holds(quoted) and quoted.is_file()):
                if Path(name).name not in HEADERS_OF_A_BUILD:
                    yield unit.finding(cursor, LIBRARY, f"includes {name}")


def forbidden_expressions(unit: Unit) -> Iterator[Finding]:
    """Types, lambdas, stored functions, and names that kernel code does not declare."""
    for cursor in unit.cursors:
        spelled = cursor.type.get_canonical().spelling
        if FLOATING.search(spelled):
            yield unit.finding(cursor, FLOATING_POINT, f"{cursor.spelling or 'a value'}: {spelled}")
        if cursor.kind == CursorKind.LAMBDA_EXPR:
            yield unit.finding(cursor, FUNCTION_POINTER, "lambda")
        if cursor.kind in STORED and _is_function(cursor.type.get_canonical()):
            yield unit.finding(cursor, FUNCTION_POINTER, f"{cursor.spelling}: {spelled}")
        if cursor.kind == CursorKind.VAR_DECL and cursor.type.kind == TypeKind.VARIABLEARRAY:
            yield unit.finding(cursor, DYNAMIC_MEMORY, f"{cursor.spelling} has no constant length")
        if cursor.kind in NAMING:
            yield from _foreign_name(unit, cursor)


def _is_function(kind: Cursor) -> bool:
    """Whether a type is a function, a member of a class, or a pointer or reference to one."""
    while kind.kind in REFERRING or kind.get_array_element_type().kind != TypeKind.INVALID:
        if kind.kind in REFERRING:
            kind = kind.get_pointee()
        else:
            kind = kind.get_array_element_type()
    functions = (TypeKind.FUNCTIONPROTO, TypeKind.FUNCTIONNOPROTO, TypeKind.MEMBERPOINTER)
    return kind.kind in functions


def _foreign_name(unit: Unit, cursor: Cursor) -> Iterator[Finding]:
    target = cursor.referenced
    if cursor.kind == CursorKind.OVERLOADED_DECL_REF:
        count = conf.lib.clang_getNumOverloadedDecls(cursor)
        target = conf.lib.clang_getOverloadedDecl(cursor, 0) if count else None
    if target is None or target.spelling in LIBRARY_NAMES or _is_declared_here(unit, target):
        return
    name = target.spelling
    if name in ALLOCATING:
        yield unit.finding(cursor, DYNAMIC_MEMORY, f"calls {name}")
    elif "std" in _namespaces(target):
        yield unit.finding(cursor, LIBRARY, f"uses std::{name}")
    else:
        yield unit.finding(cursor, SYSTEM_CALL, f"uses {name}, which no kernel declares")


def _is_declared_here(unit: Unit, target: Cursor) -> bool:
    if target.spelling.startswith("__builtin"):  # clang declares it where it is used first
        return False
    file = target.location.file
    if file is None:  # a name that depends on a template parameter
        return True
    path = normal(file.name)
    return unit.holds(path) or path in (unit.folder / "config.hpp", VENDOR)


def _namespaces(target: Cursor) -> set[str]:
    """Names of the namespaces and classes around a declaration."""
    found = set()
    around = target.semantic_parent
    while around is not None and around.kind != CursorKind.TRANSLATION_UNIT:
        found.add(around.spelling)
        around = around.semantic_parent
    return found
