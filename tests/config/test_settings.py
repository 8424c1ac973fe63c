"""Settings: every mistake at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor import cli
from monitor.config import load, settings
from monitor.config.toml import Mistaken
from monitor.process import command_line


def mistakes(text: str) -> list[str]:
    with pytest.raises(Mistaken) as caught:
        load.parse(text, "sorwatch.toml")
    return str(caught.value).splitlines()


def test_nothing_configured_is_one_machine_on_loopback() -> None:
    read = load.load(None)
    assert read.kafka.servers == ("127.0.0.1:9092",)
    probes = (read.listen.probe, read.publish.probe, read.quotes.probe, read.watch.probe, read.alert.page)
    assert all(address.startswith("127.0.0.1:") for address in probes)


def test_every_mistake_is_told_with_its_line() -> None:
    told = mistakes(
        """
statee = "x"
[kafka]
partitions = "four"
protocol = "TLS"

[[listen.session]]
name = "a"
port = 70000

[[listen.session]]
name = "b"
sender = "US"
target = "THEM"
port = 9000

[alert.mail]
host = 3
"""
    )
    places = [line.split(": ")[0] for line in told]
    assert places[:3] == ["sorwatch.toml:2", "sorwatch.toml:4", "sorwatch.toml:5"]
    assert "sorwatch.toml:9" in places
    assert any("session.0.sender: missing" in line for line in told)
    assert any("alert.mail.host" in line and line.startswith("sorwatch.toml:18") for line in told)


def test_contradictions_are_told_with_their_line() -> None:
    session = '[[listen.session]]\nname = "a"\nsender = "US"\ntarget = "THEM"\nport = 9000\n'
    assert mistakes(session + session) == ["sorwatch.toml:7: session 'a' is declared twice"]
    told = mistakes('[kafka]\nprotocol = "SASL_SSL"\n')
    assert told == ["sorwatch.toml:2: SASL_SSL needs mechanism, username and password_file"]
    told = mistakes(session + 'begin_string = "FIXT.1.1"\n')
    assert "default_appl_ver" in told[0]


def test_no_mistake_hides_another() -> None:
    told = mistakes(
        """
state = 5
[kafka]
bootstrap = ["nowhere"]
partitions = 0
protocol = "SASL_SSL"
prefix = "has blanks"

[[listen.session]]
name = "a"
target = "THEM"
port = 9000

[[listen.session]]
name = "b"
sender = "A/B"
target = ""
port = 9001
begin_string = "FIXT.1.1"
default_appl_ver = "FIX.9"
start_time = "25:00:00"
message_types = ["U1", "U/2"]

[[listen.session]]
name = "c"
sender = "US"
target = "THEM"
port = 9002

[[listen.session]]
name = "d"
sender = "US"
target = "THEM"
port = 9003
end_time = "22:00:00"

[watch]
patience_ms = -1

[alert]
base_url = "desk.example"
links = [{ name = "x", url = "javascript:alert(1)" }]

[alert.mail]
host = "mail.example"
to = []
sender = "desk@example\\n"
username = "desk"
"""
    )
    lines = sorted(int(line.split(":")[1]) for line in told)
    assert lines == [2, 4, 5, 6, 7, 9, 16, 17, 20, 21, 22, 30, 35, 38, 41, 42, 44, 46, 47], "\n".join(told)


def test_two_sessions_cannot_be_one() -> None:
    session = '[[listen.session]]\nname = "{}"\nsender = "US"\ntarget = "THEM"\nport = 9000\n'
    (told,) = mistakes(session.format("a") + session.format("b"))
    assert told.startswith("sorwatch.toml:6: sessions 'a' and 'b' have the same begin_string, sender and target")


def test_a_session_has_a_name_that_can_be_kept() -> None:
    for name in ("", " ", "n" * 256):
        (told,) = mistakes(f'[[listen.session]]\nname = "{name}"\nsender = "US"\ntarget = "THEM"\nport = 9000\n')
        assert told.startswith("sorwatch.toml:2: a session needs a name")


def test_a_text_that_is_no_toml_names_the_line() -> None:
    assert mistakes("state = 'a'\nkafka = = 1\n")[0].startswith("sorwatch.toml:2: not TOML")


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(Mistaken, match="cannot be read"):
        load.load(str(tmp_path / "none.toml"))


def test_a_secret_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    assert load.secret(str(tmp_path / "password")) == "hunter2"
    with pytest.raises(KeyError):
        load.secret("env:SORWATCH_TEST_NOT_THERE")


@pytest.mark.parametrize(("content", "why"), [(b"", "empty"), (b" \n", "empty"), (b"\xff\xfe", "not text")])
def test_a_file_without_a_secret_is_an_error_like_one_that_is_not_there(
    tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(OSError, match=why):
        load.secret(str(tmp_path / "password"))


def test_directories_of_the_state_are_ours_alone(tmp_path: Path) -> None:
    made = settings.Settings(state=str(tmp_path / "state")).directory("journal")
    assert made.stat().st_mode & 0o077 == 0


def test_addresses_are_checked_and_no_two_processes_share_one() -> None:
    text = """
[kafka]
bootstrap = ["kafka1:9092", "nonsense"]
[listen]
probe = "127.0.0.1"
[publish]
probe = "127.0.0.1:9404"
[alert]
page = "127.0.0.1:70000"
"""
    with pytest.raises(Mistaken) as caught:
        load.parse(text, "x.toml")
    said = str(caught.value).splitlines()
    assert said == [
        "x.toml:3: kafka.bootstrap[1]: 'nonsense' is not HOST:PORT",
        "x.toml:5: listen.probe: '127.0.0.1' is not HOST:PORT",
        "x.toml:1: watch.probe: 127.0.0.1:9404 is where publish.probe listens",
        "x.toml:9: alert.page: '127.0.0.1:70000' is not HOST:PORT",
    ]


@pytest.mark.parametrize("process", ["listen", "publish", "kafka", "run"])
def test_a_state_directory_that_cannot_be_is_named_in_one_line(
    tmp_path: Path, process: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    config = tmp_path / "sorwatch.toml"
    session = '[[listen.session]]\nname = "a"\nsender = "US"\ntarget = "THEM"\nport = 9000\n'
    config.write_text(f'state = "{tmp_path}/file/state"\n[kafka]\nbootstrap = ["127.0.0.1:1"]\n{session}')
    assert cli.main([process, "--config", str(config)]) == command_line.UNAVAILABLE
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"{tmp_path}/file/state/")
    assert told.endswith(
        ": Not a directory: free disk space, fix the permissions, or set another directory in the settings"
    )


def test_a_health_server_where_an_ipv6_session_listens_is_told() -> None:
    session = '[[listen.session]]\nname = "v6"\nsender = "US"\ntarget = "THEM"\nhost = "::1"\nport = 9401\n'
    (told,) = mistakes(f'[watch]\nprobe = "[::1]:9401"\n{session}')
    assert told == "sorwatch.toml:2: watch.probe: [::1]:9401 is where listen.session 'v6' listens"
