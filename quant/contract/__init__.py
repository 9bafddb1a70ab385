"""docs/stage_contract.md as code: packets, parameter streams, registers, constants of a build."""
