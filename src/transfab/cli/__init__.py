"""The command line: one module a command; every error is one line and a non-zero exit."""

from __future__ import annotations

import json
import os
import signal
import sys
from types import FrameType

import typer
from typer.exceptions import TyperException

from transfab.cli import (
    bench,
    build,
    csim,
    doctor,
    eval,
    export,
    golden,
    inspect,
    run,
    serve,
    sim,
    verify,
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Golden integer vectors of transformer layers, and checks of hardware against them.",
)
app.command("golden")(golden.command)
app.command("verify")(verify.command)
app.command("inspect")(inspect.command)
app.command("export")(export.command)
app.command("csim")(csim.command)
app.command("sim")(sim.command)
app.command("run")(run.command)
app.command("serve")(serve.command)
app.command("doctor")(doctor.command)
app.command("bench")(bench.command)
app.command("build")(build.command)
app.command("eval")(eval.command)


_INTERRUPTED = 130


def _terminate(signum: int, frame: FrameType | None) -> None:
    # As an exception, so that half-written folders are removed on the way out.
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 1 differs or refused, 2 usage, 130 stop."""
    arguments = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(arguments: list[str]) -> int:
    try:
        code = app(arguments, prog_name="transfab", standalone_mode=False, obj=arguments)
        if code == _INTERRUPTED:  # typer turns a KeyboardInterrupt into this code, in silence
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        raise
    except TyperException as err:
        message = getattr(err, "format_message", err.__str__)()
        return _fail(f"{message} (transfab --help)", arguments, getattr(err, "exit_code", 2))
    except ImportError as err:
        return _fail(f"{err}: pip install 'transfab[model]'", arguments, 1)
    except RuntimeError as err:
        from transfab.quant.native.build import CompileError

        if not isinstance(err, CompileError):
            return _fail(str(err), arguments, 1)
        code = _fail(err.summary, arguments, 1)
        print(err.output, end="", file=sys.stderr)
        return code
    except (ValueError, TypeError) as err:
        return _fail(str(err), arguments, 1)
    except OSError as err:
        where = f"{err.filename}: " if err.filename else ""
        return _fail(f"{where}{err.strerror or err}", arguments, 1)
    except MemoryError:
        return _fail("out of memory: use fewer texts or a shorter --sequence", arguments, 1)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted; nothing was written", arguments, _INTERRUPTED)


def _fail(text: str, arguments: list[str], code: int) -> int:
    line = " ".join(text.split())
    print(f"transfab: {line}", file=sys.stderr)
    if "--json" in arguments:
        print(json.dumps({"error": line}))
    return code
