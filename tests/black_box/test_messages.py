"""Single messages as counterparties really send them."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.process import command_line
from tests.black_box import reference
from tests.black_box.replay_cli import ReplayCli

QUOTES = [
    reference.Row(reference.OPEN + i * reference.NANO, s, 100 * reference.NANO, 101 * reference.NANO)
    for i in range(300)
    for s in ("IBM", "BRK.B")
]
FILL = {37: "O1", 17: "E1", 150: "F", 39: "1", 32: "100", 31: "100.5", 30: "XNYS"}


def said(kind: str, second: float, tags: dict[int, str | None]) -> str:
    at = reference.stamp(reference.OPEN + int(second * reference.NANO), 3)
    fields: dict[int, Any] = {
        35: kind,
        49: "SOR",
        56: "US",
        34: "1",
        52: at,
        11: "C1",
        55: "IBM",
        54: "1",
        60: at,
    } | tags
    return (
        "8=FIX.4.2|9=1|" + "".join(f"{tag}={value}|" for tag, value in fields.items() if value is not None) + "10=000|"
    )


def only(stranger: ReplayCli, *lines: str) -> dict[str, Any]:
    """The one execution of a log."""
    assert (
        stranger.replay("--quotes", stranger.quotes(QUOTES), "--fix-log", stranger.log(list(lines))) == command_line.OK
    )
    (execution,) = reference.told(stranger.executions)
    return execution


def test_a_fill_sent_again_has_the_time_of_its_first_sending(stranger: ReplayCli) -> None:
    """Its first sending was lost: SendingTime alone would join it with a quote of minutes later."""
    first = reference.stamp(reference.OPEN + 5 * reference.NANO, 3)
    execution = only(stranger, said("8", 200, FILL | {60: None, 43: "Y", 122: first}))
    assert execution["at"] == reference.OPEN + 5 * reference.NANO
    assert execution["quote_at"] == reference.OPEN + 4 * reference.NANO


@pytest.mark.parametrize("suffix", [{55: "BRK", 65: "B"}, {55: "BRK.B", 65: "B"}, {55: "BRK.B"}])
def test_a_suffix_is_not_told_twice(stranger: ReplayCli, suffix: dict[int, str | None]) -> None:
    execution = only(stranger, said("8", 5, FILL | suffix))
    assert (execution["symbol"], execution["quote_state"]) == ("BRK.B", "ok")


@pytest.mark.parametrize(
    "bad", [{31: "100,5"}, {31: "-1"}, {32: "0"}, {60: "9:30"}, {60: None, 52: None}, {11: None, 37: None}]
)
def test_a_message_that_cannot_be_used_is_told_with_its_place(stranger: ReplayCli, bad: dict[int, str | None]) -> None:
    log = stranger.log([said("8", 5, FILL), said("8", 6, FILL | {17: "E2"} | bad)])
    assert stranger.replay("--quotes", stranger.quotes(QUOTES), "--fix-log", log) == command_line.OK
    assert stranger.summary["garbled"] == 1
    assert stranger.said.startswith(f"{log}:2: ")
    assert [e["exec_id"] for e in reference.told(stranger.executions)] == ["E1"]


@pytest.mark.parametrize("left", [{38: "100", 14: "100"}, {151: "0"}])
def test_ids_that_come_again_on_another_day_are_other_orders(stranger: ReplayCli, left: dict[int, str | None]) -> None:
    """Also where a message has no LeavesQty, as in FIX 4.0."""
    day = 86_400
    log = stranger.log([said("8", 5, FILL | left), said("8", 5 + day, FILL | left | {31: "100.7"})])
    assert stranger.replay("--quotes", stranger.quotes(QUOTES), "--fix-log", log) == command_line.OK
    assert [e["price"] for e in reference.told(stranger.executions)] == [100_500_000_000, 100_700_000_000]
    assert stranger.summary["duplicates"] == 0
