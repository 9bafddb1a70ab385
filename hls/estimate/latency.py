"""Cycles from the first beat of a packet to the last of its result: stages as chains of blocks.

A head, or a block of a beat's channels, is finished a fixed time after the later of its input and
the block before it. Rows that follow one another through operators take the slowest one's time a
row. Streams deliver a beat a cycle.
"""

from __future__ import annotations

from transfab.hls.estimate.loops import FILL, Build
from transfab.hls.estimate.stages import TOPS, Stage, stages_of
from transfab.quant.contract.beats import ceil_divide


def latency(build: Build, top: str) -> int:
    """Cycles of one sequence through a top that is empty before; ValueError for another top."""
    _, *stages = stages_of(build, top)
    ready: list[int] = []
    end = 0
    for name, stage in zip(TOPS[top], stages, strict=True):
        if name == "qkv":
            # A head is there with the last of its three parts.
            ready = _blocks(build, stage, 3 * build["hidden"], build["head_size"], 0)[2::3]
        elif name == "attention":
            end = _attended(build, stage, ready)
        elif name == "intermediate":
            ready = _blocks(build, stage, build["inner"], build["beat_bytes"], end)
        else:
            end = _finished(build, stage, ready)
    return ready[-1] if top in ("qkv", "intermediate") else end


def _attended(build: Build, stage: Stage, ready: list[int]) -> int:
    """When the last row of stage 2 is sent."""
    heads, rows = build["heads"], build.rows
    scores, softmax, context = (stage.process(n) for n in ("Scores", "Softmax", "Context"))
    # Rows of a head pass the three together, at the pace of the slowest.
    send = scores.cycles_of("SEND_ROW")
    hold = context.cycles_of("HOLD_ROWS", "HOLD_ROW", "SCALES")
    exponentials = softmax.cycles_of("ROWS", "MAXIMUM", "EXPONENTIALS")
    together = max(send, exponentials, hold) // heads
    before = (scores.cycles - send) // heads
    after = (context.cycles - hold) // heads
    project = stage.process("GemmByDepth")
    block = (project.cycles - project.cycles_of("SEND_TILES")) // heads
    attended = projected = 0
    for head in range(heads):
        arrived = ready[head] if ready else rows
        attended = max(arrived + before, attended) + together + after
        projected = max(projected, attended) + block
    return projected + _tail(build, stage)


def _blocks(build: Build, stage: Stage, channels: int, block: int, start: int) -> list[int]:
    """When each block of `block` channels is sent; rows arrive until `start`, or from 0 on."""
    first = FILL + (start or stage.process("Narrow").cycles)
    pe, row = build[f"{stage.name}_pe"], build.beats(8, block)
    tiles, blocks = ceil_divide(channels, pe), ceil_divide(channels, block)
    one = stage.process("GemmByChannel").cycles_of("DEPTH_TILES", "ROWS") // tiles
    ready, end = [], 0
    for index in range(blocks):
        tile = min(ceil_divide((index + 1) * block, pe), tiles)
        end = max(first + tile * one, end) + build.rows * row + FILL
        ready.append(end)
    return ready


def _finished(build: Build, stage: Stage, ready: list[int]) -> int:
    """When the last row of stage 4 is sent."""
    add = stage.process("GemmByDepth")
    blocks = ceil_divide(build["inner"], build["beat_bytes"])
    block = (add.cycles - add.cycles_of("SEND_TILES")) // blocks
    end = 0
    for index in range(blocks):
        end = max(end, ready[index] if ready else build.rows) + block
    return end + _tail(build, stage)


def _tail(build: Build, stage: Stage) -> int:
    """Sums sent row by row, added to the residual and normalised."""
    send = stage.process("GemmByDepth").cycles_of("SEND_TILES")
    row = [send, *(stage.process(name).cycles for name in ("AddResidual", "Normalize"))]
    return max(row) + (sum(row) - max(row)) // build.rows
