"""`transfab serve`: emulated boards behind PYNQ.remote's protocol, until Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from transfab.cli import show


def command(
    addresses: Annotated[
        list[str],
        typer.Argument(help="Loopback addresses, a board each: 127.0.0.2 127.0.0.3 ..."),
    ],
    board: Annotated[str, typer.Option(help="Zynq board to emulate, such as kv260.")] = "zcu104",
    fabric: Annotated[
        str, typer.Option(help="What the boards compute with: csim or rtl.")
    ] = "csim",
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="Stop at the end of stdin, too.")
    ] = False,
) -> None:
    """Serve emulated boards to PYNQ.remote's clients, such as `transfab run`, until Ctrl-C."""
    from ipaddress import ip_address

    from transfab.cli import boards
    from transfab.host.open import missing
    from transfab.host.place import parse_place
    from transfab.host.remote.process import serve

    place = parse_place(f"emulated:{board}")
    for address in addresses:
        try:
            loopback = ip_address(address).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            # Whoever reaches a server may load it; there is no password in PYNQ.remote.
            raise ValueError(f"address must be a loopback one, such as 127.0.0.2, not {address}")
    make_run = boards.fabric(fabric, show.progress())
    if lack := missing():
        raise RuntimeError(lack)
    serve(addresses, place.board, make_run, until_eof)
