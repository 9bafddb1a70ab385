"""Files that boards load, as emulated boards read them: hardware handoff and bitstream."""
