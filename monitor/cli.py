"""The one command: ``sorwatch COMMAND``.

Each sub-command lives in a module of its own with two functions, ``arguments(parser)`` and ``run(args) -> int``;
the module is imported only when it is asked for, so that no process loads what it does not use.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from monitor.config.toml import Mistaken
from monitor.process import command_line, logs
from monitor.process.health_server import CannotListen

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("monitor.demo.command", "a market, a router with planted faults and the whole line, on this machine"),
    "run": ("monitor.run.line", "the whole line on one machine, each process restarted when it dies"),
    "listen": ("fix_ingest.session.listener", "FIX drop-copy sessions → journal"),
    "publish": ("fix_ingest.publish.publisher", "journal → decoded reports on Kafka"),
    "quotes": ("monitor.feeds.command", "a quote source → blocks on Kafka"),
    "watch": ("monitor.worker.faust_app", "the worker: joins reports with the NBBO and judges them"),
    "alert": ("alerts.command", "findings → incidents, Slack, e-mail, metrics and the desk page"),
    "replay": ("monitor.replay.command", "the same engine over files: executions and findings of a past day"),
    "kafka": ("monitor.kafka.embedded.broker", "the embedded broker: Apache Kafka on loopback"),
    "topics": ("monitor.kafka.topics", "create the topics, or say what is wrong with those that exist"),
    "policy": ("monitor.run.policy", "check a policy file, or print the shipped one"),
    "doctor": ("monitor.run.doctor", "what of the environment is missing and how to get it"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one sub-command and answer its exit code."""
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return command_line.STOPPED


def _main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="sorwatch", description="Real-time exception monitor for routed orders.")
    parser.add_argument("--version", action="version", version=f"sorwatch {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = next((w for w in words if not w.startswith("-")), None)
    for name, (module, summary) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == named:
            command = importlib.import_module(module)
            command.arguments(sub)
            sub.set_defaults(run=command.run)
    return _guarded(parser.parse_args(words))


def _guarded(args: argparse.Namespace) -> int:
    logs.configure(args.command)
    try:
        return int(args.run(args))
    except Mistaken as mistaken:
        sys.stderr.write(f"{mistaken}\n")
        return command_line.USAGE
    except CannotListen as error:
        sys.stderr.write(f"{error}\n")
        return command_line.UNAVAILABLE
    except OSError as error:
        if error.filename is None:
            raise
        # a disk that is full, read-only or not there: said where and why, without a traceback
        sys.stderr.write(
            f"{error.filename}: {error.strerror}: "
            "free disk space, fix the permissions, or set another directory in the settings\n"
        )
        return command_line.UNAVAILABLE


def _version() -> str:
    from importlib.metadata import version

    return version("sorwatch")
