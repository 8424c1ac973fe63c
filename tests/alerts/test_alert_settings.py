"""What is wrong with the settings of alert is said at once, with its line, and never with a secret."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from alerts import command
from monitor.config import load
from monitor.config.toml import Mistaken

MAIL = '[alert.mail]\nhost = "h"\nsender = "s@x"\n'


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[alert]\n[alert.slack]\nchannel = '#x'\n", 2, "needs webhook_file, or token_file and channel"),
        (MAIL + "to = []\n", 4, "names nobody"),
        (MAIL + "to = ['a@x']\nusername = 'u'\n", 1, "username and password_file, or neither"),
        (MAIL + "to = ['a@x']\nusername = 'u'\npassword_file = 'p'\ntls = 'none'\n", 7, "not sent without TLS"),
        ("[[alert.links]]\nname = 'x'\nurl = 'javascript:alert(1)'\n", 3, "url"),
    ],
)
def test_contradictions(text: str, line: int, said: str) -> None:
    with pytest.raises(Mistaken) as caught:
        load.parse(text, "sorwatch.toml")
    (mistake,) = caught.value.mistakes
    assert mistake.line == line
    assert said in mistake.what


@pytest.mark.parametrize("reference", ["/nowhere/webhook", "env:SORWATCH_NO_SUCH_SECRET"])
def test_a_secret_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str], reference: str) -> None:
    config = tmp_path / "sorwatch.toml"
    config.write_text(f'state = "{tmp_path}"\n[alert.slack]\nwebhook_file = "{reference}"\n')
    assert command.run(argparse.Namespace(config=str(config))) == 2
    said = capsys.readouterr().err
    assert "alert.slack" in said
    assert reference.removeprefix("env:") in said


def test_every_rule_has_a_runbook() -> None:
    notes = command.rule_notes()
    assert {"slow_order", "poor_fill", "unexpected_venue"} <= set(notes)
    assert all(note.runbook.strip() for note in notes.values())
