"""Proofs about the RTL close, and each planted bug makes its proof fail."""

from __future__ import annotations

import os

import pytest
from formal_mutants import MUTANTS as OTHERS
from formal_mutants import Mutant
from formal_mutants_inner import MUTANTS as INNER
from formal_mutants_joins import MUTANTS as JOINS

from transfab.rtl.formal.__main__ import main
from transfab.rtl.formal.lemmas import LEMMAS
from transfab.rtl.formal.proofs import PROOFS
from transfab.rtl.formal.prove import Proof, lemma, missing, owed, package, prove
from transfab.rtl.sources import SOURCES

MUTANTS = (*OTHERS, *INNER, *JOINS)
BY_KEY = {proof.key: proof for proof in PROOFS}
# Bugs of these are tried in every run, one for each kind of property; the others are slow.
ALWAYS = ("stream_fifo", "stream_fork", "row_ring", "requantize to 8")


@pytest.fixture(autouse=True)
def tools() -> None:
    if lack := missing():
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"CI must have what proofs need: {lack}")
        pytest.skip(f"proofs: {lack}")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "proof",
    [pytest.param(one, id=one.key, marks=[pytest.mark.slow] * one.slow) for one in PROOFS],
)
def test_a_proof_closes(proof: Proof) -> None:
    outcome = prove(proof)
    assert outcome.proved, outcome.text


@pytest.mark.parametrize("name", LEMMAS)
def test_a_lemma_holds(name: str) -> None:
    outcome = lemma(LEMMAS[name][1])
    assert outcome.proved, outcome.text


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("root", "(* 2 root)))", "(* 3 root)))"),
        ("reciprocal", "(+ (* 2 quotient value) (* digit value))", "(* 2 quotient value)"),
        ("gemm_array", "(<= (- 16256) value 16384)", "(<= (- 16256) value 32768)"),
    ],
)
def test_a_wrong_lemma_is_refuted(name: str, right: str, wrong: str) -> None:
    text = LEMMAS[name][1]
    assert text.count(right) == 1
    assert not lemma(text.replace(right, wrong)).proved


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(one, id=f"{one.proof}: {one.bug}", marks=[pytest.mark.slow] * (number > 0))
        for key in dict.fromkeys(one.proof for one in MUTANTS)
        for number, one in enumerate(
            [one for one in MUTANTS if one.proof == key],
            start=0 if key in ALWAYS else 1,
        )
    ],
)
def test_a_planted_bug_is_seen(mutant: Mutant) -> None:
    text = (SOURCES / f"{mutant.file}.sv").read_text(encoding="utf-8")
    assert text.count(mutant.right) == 1
    changed = {mutant.file: text.replace(mutant.right, mutant.wrong)}
    outcome = prove(BY_KEY[mutant.proof], changed, mutant.reach)
    assert not (outcome.reached if mutant.reach else outcome.proved)


def test_every_module_with_a_proof_has_a_planted_bug() -> None:
    assert {one.proof for one in MUTANTS} <= BY_KEY.keys()
    assert {BY_KEY[one.proof].module for one in MUTANTS} == {one.module for one in PROOFS}


def test_the_table_names_proof_kind_and_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream_fork"]) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith("| `stream_fork` |")
    assert "| induction, 3 |" in row and row.endswith("| proved |")
    with pytest.raises(SystemExit):
        main(["stream_knife"])


def test_an_unknown_constant_is_refused() -> None:
    with pytest.raises(ValueError, match="constant must be one of transfab_pkg, not Hiden"):
        package({"Hiden": 1})


def test_what_a_part_assumes_is_proved_of_the_whole() -> None:
    text = "if (read_i) assume (full_o);\n  stable_input u_skip (.clk_i);"
    assert (
        owed(text) == "if (read_i) if (started) assert (full_o);\n  stable_output u_skip (.clk_i);"
    )
