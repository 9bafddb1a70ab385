"""`transfab serve`: how it starts, what it refuses, and how it ends."""

from __future__ import annotations

import signal

import pytest
from emulated_boards import free_address
from served_boards import serving
from tiny_build import Outcome, Run

for needed in ("pynq", "grpc"):
    pytest.importorskip(needed, reason=f"{needed} is missing: pip install 'transfab[board]'")


@pytest.fixture
def serve(capsys: pytest.CaptureFixture[str]) -> Run:
    """In this process: only what ends by itself."""
    from transfab.cli import main

    def run(*arguments: object) -> Outcome:
        handler = signal.getsignal(signal.SIGTERM)
        capsys.readouterr()
        try:
            code = main(["serve", *map(str, arguments)])
        finally:
            signal.signal(signal.SIGTERM, handler)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err.splitlines())

    return run


def assert_free(*addresses: str) -> None:
    import socket

    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, 7967), timeout=10)


def test_servers_end_with_the_process_that_holds_their_stdin() -> None:
    addresses = [free_address(), free_address()]
    with serving(*addresses) as server:
        assert server.stdin
        server.stdin.close()
        assert server.wait(30) == 0
    assert_free(*addresses)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_the_usual_end(sent: signal.Signals) -> None:
    address = free_address()
    with serving(address) as server:
        server.send_signal(sent)
        out, _ = server.communicate(timeout=30)
        assert (server.returncode, out) == (0, "")
    assert_free(address)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["0.0.0.0"], "address must be a loopback one, such as 127.0.0.2, not 0.0.0.0"),
        (["127.0.0.2", "192.168.2.99"], "must be a loopback one, such as 127.0.0.2, not 192.168."),
        (["board"], "must be a loopback one, such as 127.0.0.2, not board"),
        (["127.0.0.2", "--board", "u280"], "a u280 is a card of xrt, no Zynq"),
        (["127.0.0.2", "--board", "zcu105"], "board must be one of u200, "),
        (["127.0.0.2", "--fabric", "hls"], "--fabric must be one of csim, rtl, not hls"),
    ],
)
def test_what_cannot_be_served_is_one_line(serve: Run, given: list[str], reason: str) -> None:
    done = serve(*given)
    (line,) = done.err
    assert (done.code, done.out) == (1, "")
    assert line.startswith("transfab: ")
    assert reason in line


def test_an_address_that_another_server_has_is_one_line_and_none_is_served(serve: Run) -> None:
    taken, free = free_address(), free_address()
    with serving(taken):
        done = serve(free, taken)
    (line,) = done.err
    assert (done.code, done.out) == (1, "")
    assert f"cannot listen on {taken}:7967: another server has it" in line
    assert_free(free)


def test_without_pynq_the_way_out_is_said(serve: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from transfab.host import open as opening

    reason = "pynq is not installed (pip install 'transfab[board]')"
    monkeypatch.setattr(opening, "missing", lambda: reason)
    done = serve("127.0.0.2")
    assert (done.code, done.out, done.err) == (1, "", [f"transfab: {reason}"])
