"""What the doctor says of an environment."""

from __future__ import annotations

import socket
from pathlib import Path

from monitor.config import load, settings
from monitor.process import command_line
from monitor.run import doctor


def answers(config: settings.Settings) -> dict[str, doctor.Answer]:
    return {answer.what: answer for answer in doctor.questions(config)}


def test_a_secret_that_is_not_there_is_missing(tmp_path: Path) -> None:
    text = "\n".join(
        (
            f'state = "{tmp_path}"',
            "[alert.mail]",
            'host = "h"',
            'sender = "s"',
            'to = ["t"]',
            'username = "u"',
            f'password_file = "{tmp_path}/p"',
        )
    )
    assert answers(load.parse(text, "x"))["alert.mail.password_file"].state == "missing"
    (tmp_path / "p").touch(0o600)
    assert "empty" in answers(load.parse(text, "x"))["alert.mail.password_file"].how
    (tmp_path / "p").write_text("hunter2")
    told = answers(load.parse(text, "x"))["alert.mail.password_file"]
    assert told.state == "ok"
    assert "hunter2" not in told.how
    (tmp_path / "p").chmod(0o644)
    told = answers(load.parse(text, "x"))["alert.mail.password_file"]
    assert (told.state, told.how) == ("note", f"{tmp_path}/p can be read by others: chmod 600 {tmp_path}/p")


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        told = answers(load.parse(f'state = "{tmp_path}"\n[watch]\nprobe = "{address}"\n', "x"))["port of watch"]
    assert told.state == "note"
    assert address in told.how


def test_a_named_broker_that_is_away_is_missing_and_an_embedded_one_is_not(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = f'state = "{tmp_path}"\n[kafka]\n'
    assert answers(load.parse(text + f'bootstrap = ["127.0.0.1:{port}"]\n', "x"))["Kafka"].state == "missing"
    assert answers(load.parse(text + f"embedded_port = {port}\n", "x"))["Kafka"].state == "note"


def test_the_exit_code_says_whether_something_is_missing() -> None:
    good, bad = doctor.Answer("a", "ok", "there"), doctor.Answer("b", "missing", "get it")
    lines: list[str] = []
    assert doctor.report(iter([good]), lines.append) == command_line.OK
    assert doctor.report(iter([good, bad]), lines.append) == command_line.UNAVAILABLE
    assert any(line.startswith("MISSING b") for line in lines)


def test_what_the_settings_name_is_looked_at(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = nobody.getsockname()
        text = f"""
state = "{tmp_path}"
[kafka]
bootstrap = ["127.0.0.1:{address[1]}"]
[watch]
policy = "{tmp_path}/no-policy"
[[listen.session]]
name = "v"
role = "initiator"
sender = "A"
target = "B"
port = {address[1]}
dialect = "{tmp_path}/no-dialect"
"""
        told = answers(load.parse(text, "x"))
    assert [told[what].state for what in ("Kafka", "policy", "dialects")] == ["missing"] * 3
    assert f"{tmp_path}/no-policy" in told["policy"].how
    assert f"{tmp_path}/no-dialect" in told["dialects"].how
    assert told["session v"].state == "note"


def test_a_session_on_an_ipv6_address_is_looked_at_like_any_other(tmp_path: Path) -> None:
    session = '[[listen.session]]\nname = "v6"\nsender = "US"\ntarget = "THEM"\nhost = "::1"\nport = 9000\n'
    assert "[::1]:9000" in answers(load.parse(f'state = "{tmp_path}"\n{session}', "x"))["port of v6"].how
