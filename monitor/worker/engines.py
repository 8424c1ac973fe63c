"""The worker's engine, from its settings: one policy, one register of rules, a new engine for each partition."""

from __future__ import annotations

from monitor.config.settings import Watch
from monitor.engine.engine import Engine, EngineConfig
from monitor.engine.snapshot import UnreadableSnapshot
from monitor.policy import file
from monitor.worker.checkpoint import UnreadableCheckpoint
from monitor.worker.partition import MakeJudge
from rules import RULES


def maker(watch: Watch) -> MakeJudge:
    """Makes engines, new ones or from snapshots; raises `Mistaken` with every mistake in the policy file."""
    policy = file.load(watch.policy, RULES)
    config = engine_config(watch)

    def make(snapshot: bytes | None) -> Engine:
        if snapshot is None:
            return Engine(policy, RULES, config)
        try:
            return Engine.restore(snapshot, policy, RULES, config)
        except UnreadableSnapshot as error:
            raise UnreadableCheckpoint(str(error)) from error

    return make


def engine_config(watch: Watch) -> EngineConfig:
    """What the engine is told of the settings."""
    return EngineConfig(
        tie=watch.ties,
        patience_ns=watch.patience_ms * 1_000_000,
        silence_ns=int(watch.silence_s * 1e9),
        closed_kept=watch.closed_kept,
    )
