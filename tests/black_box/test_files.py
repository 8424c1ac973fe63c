"""Files that are wrong, and places to write to that are not plain files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import zipfile
import zlib
from pathlib import Path

import pytest

from monitor import cli
from monitor.policy import file
from monitor.process import command_line
from tests.black_box import reference
from tests.black_box.replay_cli import ReplayCli
from tests.waiting import until

DAY = reference.day(3, symbols=4, count=1500, n_orders=15)
LINES = reference.fix(DAY.said)


@pytest.fixture
def args(tmp_path: Path) -> list[str]:
    stranger = ReplayCli(tmp_path)
    return ["replay", "--quotes", stranger.quotes(DAY.rows), "--fix-log", stranger.log(LINES)]


@pytest.mark.parametrize("option", ["--executions", "--findings"])
def test_a_dash_is_standard_output(args: list[str], option: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert cli.main([*args, option, "-"]) == command_line.OK
    out, err = capfdbinary.readouterr()
    assert out.count(b"\n") > 5
    assert all(line.startswith(b"{") and line.endswith(b"}") for line in out.splitlines())
    assert b'"executions":' in err


def test_a_device_stays_what_it_is(stranger: ReplayCli, args: list[str]) -> None:
    pipe = stranger.folder / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    assert cli.main([*args, "--executions", str(pipe), "--findings", os.devnull]) == command_line.OK
    reader.join(10)
    assert pipe.is_fifo()
    assert got[0].startswith(b'{"id"')
    assert Path(os.devnull).is_char_device()


def test_a_link_is_followed(stranger: ReplayCli, args: list[str]) -> None:
    (stranger.folder / "link").symlink_to("target")
    assert cli.main([*args, "--executions", str(stranger.folder / "link")]) == command_line.OK
    assert (stranger.folder / "link").is_symlink()
    assert (stranger.folder / "target").read_bytes().startswith(b'{"id"')


@pytest.mark.parametrize(
    ("executions", "findings"),
    [("e", "no/f"), ("no/e", "f"), ("same", "same"), ("-", "-"), ("folder", "f"), ("e", "\0"), ("", "f")],
)
def test_places_that_cannot_be_written_are_told_before_anything_is_read(
    stranger: ReplayCli,
    args: list[str],
    executions: str,
    findings: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(stranger.folder)
    Path("folder").mkdir()
    assert cli.main([*args, "--executions", executions, "--findings", findings]) == command_line.USAGE
    assert "cannot" in capsys.readouterr().err
    assert {p.name for p in stranger.folder.iterdir()} == {"quotes.csv", "fix.log", "folder"}
    assert not list(Path("folder").iterdir())


@pytest.mark.parametrize("option", ["--executions", "--findings"])
@pytest.mark.parametrize("which", ["quotes.csv", "fix.log", "p.toml", "d.toml", "link", "hard", "sub/../fix.log"])
def test_what_is_read_is_never_overwritten(
    stranger: ReplayCli, args: list[str], option: str, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (stranger.folder / "sub").mkdir()
    stranger.write("p.toml", file.shipped_text())
    stranger.write("d.toml", 'clock = "x"\n')
    (stranger.folder / "link").symlink_to("quotes.csv")
    (stranger.folder / "hard").hardlink_to(stranger.folder / "fix.log")
    before = {p.name: p.read_bytes() for p in stranger.folder.iterdir() if p.is_file()}
    more = ["--policy", str(stranger.folder / "p.toml"), "--dialect", str(stranger.folder / "d.toml")]
    named = f"{stranger.folder}/{which}"
    assert cli.main([*args, *more, option, named]) == command_line.USAGE
    assert capsys.readouterr().err == f"{named}:1: is read by this replay and would be overwritten: name another file\n"
    assert {p.name: p.read_bytes() for p in stranger.folder.iterdir() if p.is_file()} == before


def test_a_file_of_a_folder_that_is_read_is_never_overwritten(stranger: ReplayCli, args: list[str]) -> None:
    folder = f"csv:{stranger.folder}"
    quotes = stranger.folder / "quotes.csv"
    before = quotes.read_bytes()
    assert cli.main(["replay", "--quotes", folder, *args[3:], "--executions", str(quotes)]) == command_line.USAGE
    assert quotes.read_bytes() == before


def test_standard_output_by_its_other_names(args: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from monitor.cli import main; raise SystemExit(main())", *args]
    told = []
    for name in ("-", "/dev/stdout", "/proc/self/fd/1"):
        with (tmp_path / "out").open("wb") as out:
            done = subprocess.run([*command, "--executions", name], stdout=out, stderr=subprocess.PIPE, check=True)
        assert b'"executions":' in done.stderr
        told.append((tmp_path / "out").read_bytes())
        assert subprocess.check_output([*command, "--executions", name], stderr=subprocess.DEVNULL) == told[-1]
    assert told[0].startswith(b'{"id"')
    assert told[0] == told[1] == told[2]


def damaged(text: bytes) -> bytes:
    """A gzip file whose second half is nonsense from the middle on, so that unpacking itself fails."""
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(text[: len(text) // 2]) + packer.flush(zlib.Z_SYNC_FLUSH)
    return packed + b"\xff" * 600


def test_what_stands_before_a_damage_is_read(stranger: ReplayCli) -> None:
    log = stranger.log(LINES)
    text = Path(stranger.quotes(DAY.rows).removeprefix("csv:")).read_bytes()
    quotes = stranger.write("q.csv.gz", damaged(text * 8))
    assert stranger.replay("--quotes", f"csv:{quotes}", "--fix-log", log) == command_line.OK
    assert stranger.summary["quotes"] > 2 * len(DAY.rows)
    assert stranger.summary["unreadable_quotes"]["the file is damaged from here on (error)"] == 1


@pytest.mark.parametrize("option", ["--fix-log", "--reports"])
def test_an_archive_of_which_nothing_can_be_read_is_a_failure(stranger: ReplayCli, option: str) -> None:
    bad = stranger.write("bad.gz", b"\x1f\x8b" + b"garbage" * 100)
    assert stranger.replay("--quotes", stranger.quotes(DAY.rows), option, str(bad)) == command_line.FAILED
    assert f"{bad}:1: damaged from here on" in stranger.said


def test_a_damaged_archive_of_reports_does_not_stop_it(stranger: ReplayCli) -> None:
    bad = stranger.write(
        "bad.gz", damaged(b'{"kind":"tick","source":"s","n":1,"at":1,"seen":1}\n' * 5000 + os.urandom(50))
    )
    stranger.replay("--quotes", stranger.quotes(DAY.rows), "--reports", str(bad))
    assert "damaged from here on" in stranger.said


def test_quotes_of_which_none_can_be_read_are_a_failure(stranger: ReplayCli) -> None:
    quotes = stranger.write("q.csv", "time,symbol,bid,ask\n03/08/2024 9:30,IBM,1,2\n")
    assert stranger.replay("--quotes", f"csv:{quotes}", "--fix-log", stranger.log(LINES)) == command_line.FAILED
    assert stranger.summary["unreadable_quotes"] == {"time cannot be read": 1}


@pytest.mark.parametrize(
    ("notation", "told"),
    [
        ("csv:", "write the path after the colon"),
        ("csv:a\0b", "null byte"),
        ("lean:a\0b", "null byte"),
        ("csv:~nobody-here/x.csv", "home"),
        ("csv:" + "x" * 300 + "?time=a", "too long"),
    ],
)
def test_paths_that_cannot_be(stranger: ReplayCli, notation: str, told: str) -> None:
    assert stranger.replay("--quotes", notation, "--fix-log", stranger.log(LINES)) == command_line.USAGE
    assert told in stranger.said


@pytest.mark.parametrize("option", ["--fix-log", "--reports"])
@pytest.mark.parametrize("path", ["a\0b", "~nobody-here/x", "/proc"])
def test_reports_that_cannot_be(stranger: ReplayCli, option: str, path: str) -> None:
    assert stranger.replay("--quotes", stranger.quotes(DAY.rows), option, path) == command_line.USAGE
    assert stranger.said.startswith(f"{path}:1: ")


def test_a_header_of_nonsense_is_not_poured_over_the_terminal(stranger: ReplayCli) -> None:
    junk = stranger.write("junk.csv", b"\x00\x1b[31m" * 30_000)
    assert stranger.replay("--quotes", f"csv:{junk}", "--fix-log", stranger.log(LINES)) == command_line.USAGE
    assert len(stranger.said) < 2000
    assert "\x1b" not in stranger.said


def test_a_column_that_is_not_there_is_named_as_it_can_be_mended(stranger: ReplayCli) -> None:
    quotes = stranger.quotes(DAY.rows)
    assert stranger.replay("--quotes", f"{quotes}?time=stamp", "--fix-log", stranger.log(LINES)) == command_line.USAGE
    assert "no column stamp among time, symbol, bid, ask" in stranger.said
    assert "?time=NAME" in stranger.said


def test_zipped_logs(stranger: ReplayCli) -> None:
    plain, quotes = stranger.log(LINES), stranger.quotes(DAY.rows)
    assert stranger.replay("--quotes", quotes, "--fix-log", plain) == command_line.OK
    written = stranger.bytes()
    packed = stranger.folder / "logs.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("logs/", "")
        archive.writestr("logs/late.log", "\n".join([*LINES[50:], "nonsense"]))
        archive.writestr("logs/early.log", "\n".join(LINES[:50]))
    assert stranger.replay("--quotes", quotes, "--fix-log", str(packed)) == command_line.OK
    assert stranger.bytes() == written
    assert stranger.said.startswith(f"{packed}#logs/late.log:{len(LINES) - 49}: no FIX message")
    broken = stranger.write("broken.zip", packed.read_bytes()[:-30])
    assert stranger.replay("--quotes", quotes, "--fix-log", str(broken)) == command_line.FAILED
    assert stranger.said == f"{broken}:1: damaged from here on: File is not a zip file\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*args, "--executions", "/dev/full"]) == command_line.USAGE
    assert capsys.readouterr().err == "/dev/full:1: cannot be written: No space left on device\n"


def test_whoever_reads_standard_output_may_stop(args: list[str]) -> None:
    command = [sys.executable, "-c", "from monitor.cli import main; raise SystemExit(main())"]
    with subprocess.Popen(
        [*command, *args, "--executions", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as replay:
        assert replay.stdout is not None
        assert replay.stderr is not None
        replay.stdout.close()
        assert b"Traceback" not in replay.stderr.read()
    assert replay.returncode == command_line.OK


def test_files_that_hold_nothing_are_named(stranger: ReplayCli) -> None:
    quotes, reports = stranger.write("q.csv", "time,symbol,bid,ask\n"), stranger.write("r.jsonl", "")
    assert stranger.replay("--quotes", f"csv:{quotes}", "--reports", str(reports)) == command_line.OK
    assert f'"file": "{quotes}", "event": "no quotes in this file"' in stranger.said
    assert stranger.said.endswith("no reports: the files hold none\n")
    assert (stranger.summary["quotes_span"], stranger.summary["reports_span"]) == (None, None)


def test_quotes_of_another_day_are_told(stranger: ReplayCli) -> None:
    late = [reference.Row(r.time + 3 * 86_400 * reference.NANO, r.symbol, r.bid, r.ask) for r in DAY.rows]
    assert stranger.replay("--quotes", stranger.quotes(late), "--fix-log", stranger.log(LINES)) == command_line.OK
    assert "is one of them of another day, or counted in another unit than ns?" in stranger.said
    assert stranger.summary["quotes_span"][0].startswith("2024-03-11T14:30:00")
    assert stranger.replay("--quotes", stranger.quotes(DAY.rows), "--fix-log", stranger.log(LINES)) == command_line.OK
    assert stranger.said == ""


def test_all_reports_that_are_not_there_are_named_before_any_is_read(stranger: ReplayCli) -> None:
    missing = ("--fix-log", "/no/1", stranger.log(LINES), "/no/2", "--reports", "/no/3")
    assert stranger.replay("--quotes", stranger.quotes(DAY.rows), *missing) == command_line.USAGE
    assert [line[:6] for line in stranger.said.splitlines()] == ["/no/1:", "/no/2:", "/no/3:"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_what_is_ended_midway_leaves_nothing_under_the_final_names(stranger: ReplayCli, number: signal.Signals) -> None:
    """The quotes come from a pipe that never ends, so that it is always midway."""
    pipe, done = stranger.folder / "pipe", stranger.folder / "done"
    os.mkfifo(pipe)
    args = ["--quotes", stranger.quotes(DAY.rows), "--reports", str(pipe), "--executions", str(done)]
    command = [sys.executable, "-c", "from monitor.cli import main; raise SystemExit(main())", "replay", *args]
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as replay,
        pipe.open("wb") as writer,  # opened once the other side reads
    ):
        writer.write(b'{"kind":"tick","source":"s","n":1,"at":1,"seen":1}\n')
        writer.flush()
        until(lambda: any(stranger.folder.glob(".done.*.part")))
        replay.send_signal(number)
        replay.wait(20)
        assert replay.stderr is not None
        assert b"Traceback" not in replay.stderr.read()
    assert replay.returncode == (-number if number == signal.SIGKILL else command_line.STOPPED)
    assert not done.exists()
    left = [p.name for p in stranger.folder.glob(".done.*")]
    assert len(left) == (number == signal.SIGKILL)


@pytest.mark.parametrize("limit", [0, 1000])
def test_a_disk_that_fills_up_is_told_and_leaves_nothing(stranger: ReplayCli, args: list[str], limit: int) -> None:
    """A limit on the size of files does as a small disk does; the signal it sends is one Python ignores."""
    command = [sys.executable, "-c", _LIMITED, str(limit), *args, "--executions", str(stranger.folder / "e")]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == command_line.USAGE, done.stderr
    assert done.stderr.startswith(f"{stranger.folder}/e:1: cannot be written: ".encode())
    assert not [p.name for p in stranger.folder.iterdir() if p.name.startswith((".e", "e"))]


_LIMITED = """
import resource, sys
from monitor.cli import main
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
raise SystemExit(main())
"""
