"""The host side of boards: drivers, and models of boards to try them on."""
