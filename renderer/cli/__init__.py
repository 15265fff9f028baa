"""The command `onmiss`: one file per command, COMMANDS lists them.

This module imports nothing heavy: every render process imports the main module again, and must not find boto3 or the configuration there.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from renderer.errors import BadRequest, ConfigError, RendererError
from renderer.fields import in_line
from renderer.hiding import hide_front

if TYPE_CHECKING:
    from renderer.config import Config

COMMANDS = {
    "up": "renderer.cli.up",
    "serve": "renderer.cli.serve",
    "nginx": "renderer.cli.nginx",
    "import": "renderer.cli.importing",
    "migrate": "renderer.cli.migrate",
    "prerender": "renderer.cli.prerender",
    "process": "renderer.cli.process",
    "url": "renderer.cli.url",
    "render": "renderer.cli.render",
    "config": "renderer.cli.config",
    "doctor": "renderer.cli.doctor",
    "prune": "renderer.cli.prune",
    "cache": "renderer.cli.cache",
    "purge": "renderer.cli.purge",
    "delete": "renderer.cli.delete",
    "quarantine": "renderer.cli.quarantine",
    "version": "renderer.cli.version",
}

HIDDEN = ("up", "serve", "prune")  # run beside render processes, under their account, and with credentials in the environment
RELOADED = ("up", "serve")  # by SIGHUP

USAGE, FAILED = 2, 1  # exit codes: what you asked cannot be; it could be, and did not work


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code. Without `argv` the process is ours, and what its command line says."""
    is_ours, argv = argv is None, sys.argv[1:] if argv is None else argv
    wanted = next((word for word in argv if not word.startswith("-")), "")
    if is_ours:
        _begin(wanted)
    parser = _parser(wanted)
    arguments = parser.parse_args(argv)
    if not arguments.command:
        parser.print_help()
        return USAGE
    try:
        return _run(arguments)
    except ConfigError as error:
        print(f"onmiss: {error}", file=sys.stderr)
        return USAGE
    except RendererError as error:
        print(f"onmiss: {in_line(str(error))}", file=sys.stderr)
        return USAGE if isinstance(error, BadRequest) else FAILED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output went away: `onmiss import … | head`
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        said = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        print(f"onmiss: {in_line(said)}", file=sys.stderr)
        return FAILED


def _begin(wanted: str) -> None:
    """What must not wait for heavy imports: to be closed to render processes, and not to die of a reload that comes early."""
    if wanted in HIDDEN:
        hide_front()
    if wanted in RELOADED:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))  # it stays pending until it can be seen to


def port(text: str) -> int:
    """The first of three neighbouring ports."""
    if not text.isdecimal() or not 1 <= int(text) <= 65533:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65533, got {text!r}")
    return int(text)


def _parser(wanted: str) -> argparse.ArgumentParser:
    """Only the wanted command's module is imported; all of them for an overview."""
    parser = argparse.ArgumentParser("onmiss", description="Derived pictures at static URLs: nginx serves them, a miss renders them.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name in COMMANDS:
        if wanted in COMMANDS and name != wanted:
            commands.add_parser(name)
            continue
        module = _module(name)
        text = module.__doc__ or ""
        command = commands.add_parser(
            name, help=text.partition("\n")[0], description=text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.add_argument("--config", metavar="FILE", help="the configuration, YAML (environment: ONMISS_CONFIG)")
        command.add_argument("--root", metavar="DIR", help="where everything lives that is not placed elsewhere (ONMISS_ROOT)")
        module.configure(command)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    code: int = _module(arguments.command).run(arguments, configuration(arguments))
    return code


def configuration(arguments: argparse.Namespace) -> Config:
    """As it stands now; ConfigError."""
    from renderer.config import Config  # heavy: see above

    file = arguments.config or os.environ.get("ONMISS_CONFIG") or None
    root = arguments.root or os.environ.get("ONMISS_ROOT") or None
    return Config.load(Path(file) if file else None, Path(root) if root else None, os.environ)


def _module(name: str) -> ModuleType:
    return importlib.import_module(COMMANDS[name])
