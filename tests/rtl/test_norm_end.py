import dataclasses

import pytest
from benches import run
from stream_oracle import BUILDS

# As in stage 2 and in stage 4; more lanes than a word and less.
USES = [(0, 3, 7, 2), (2, 72, 5, 0), (3, 1, 7, 2)]


@pytest.mark.parametrize(("build", "pe", "scalars", "first"), USES, ids=["ragged", "wide", "one"])
def test_sums_become_a_residual_packet(build: int, pe: int, scalars: int, first: int) -> None:
    one, given = BUILDS[build], {"Pe": pe, "Scalars": scalars, "ResidualScalars": first}
    engine = dataclasses.replace(one.engine, sequence=19)
    run("norm_end", one.config(), engine, parameters=given)
