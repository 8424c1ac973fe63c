"""Headers, column maps and packings that strangers have."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zipfile
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from monitor.process import command_line
from tests.black_box import reference
from tests.black_box.replay_cli import ReplayCli

SECOND = 10**9
FILL = reference.Said(
    reference.OPEN + SECOND,
    "8",
    {11: "C", 17: "E", 55: "IBM", 54: "1", 150: "F", 32: "1", 31: "1", 30: "XNYS", 60: "@"},
)
LOG = reference.fix([FILL])
ROW = f"{reference.OPEN},IBM,100.5,100.6"
TEXT = f"time,symbol,bid,ask\n{ROW}\n"


def quotes_of(stranger: ReplayCli, notation: str) -> dict[str, int]:
    code = stranger.replay("--quotes", notation, "--fix-log", stranger.log(LOG))
    assert code == command_line.OK, stranger.said
    assert stranger.summary["unreadable_quotes"] == {}
    found: dict[str, int] = stranger.summary["quote_states"]
    return found


def refused(stranger: ReplayCli, *notations: str) -> list[str]:
    assert stranger.replay("--quotes", *notations, "--fix-log", stranger.log(LOG)) == command_line.USAGE
    return [line.removeprefix(f"{stranger.folder}/") for line in stranger.said.splitlines()]


@pytest.mark.parametrize(
    ("header", "options", "told"),
    [
        ("time,symbol,bid,bid,ask", "", ["has several columns called bid"]),
        ("time,symbol,bid,ask", "?ask=bid", ["bid and ask cannot both be column bid"]),
        (
            "ts,sym,b,b,a",
            "?time=tz&symbol=sym&bid=b&ask=sym",
            ["no column tz among ts, sym, b, b, a; name", "has several columns", "symbol and ask cannot both"],
        ),
    ],
)  # fmt: skip
def test_all_that_is_wrong_with_columns_is_told_at_once(
    stranger: ReplayCli, header: str, options: str, told: list[str]
) -> None:
    found = refused(stranger, f"csv:{stranger.write('q.csv', header)}{options}")
    assert len(found) == len(told)
    for line, what in zip(found, told, strict=True):
        assert line.startswith(f"q.csv:1: {what}")


def test_a_column_mapped_twice_is_refused(stranger: ReplayCli) -> None:
    (line,) = refused(stranger, f"csv:{stranger.write('q.csv', TEXT)}?time=a&time=b")
    assert "names time twice" in line


def test_mistakes_of_several_sources_are_told_at_once(stranger: ReplayCli) -> None:
    bad = stranger.write("bad.csv", "a,b\n")
    found = refused(
        stranger, f"csv:{bad}", "csv:/nowhere.csv", f"csv:{stranger.write('q.csv', TEXT)}", "parquet:/no.pq"
    )
    assert [line.split(":")[0] for line in found] == ["bad.csv", "/nowhere.csv", "/no.pq"]


def test_names_are_found_whatever_their_case(stranger: ReplayCli) -> None:
    path = stranger.write("q.csv", TEXT.replace("time,symbol,bid,ask", " TS ,Ticker,Bid Px,ASK"))
    assert quotes_of(stranger, f"csv:{path}?time=ts&symbol=ticker&bid=bid_px") == {"ok": 1}


def test_a_first_line_that_is_neither_header_nor_row(stranger: ReplayCli) -> None:
    (line,) = refused(stranger, f"csv:{stranger.write('q.csv', '10/07/2013 9:30:00,IBM,1.5,1.6' + chr(10))}")
    assert line.startswith("q.csv:1: neither a header, nor a row that begins with a time")


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_ends_of_lines(stranger: ReplayCli, end: str) -> None:
    assert quotes_of(stranger, f"csv:{stranger.write('q.csv', TEXT.replace(chr(10), end))}") == {"ok": 1}
    assert quotes_of(stranger, f"csv:{stranger.write('q.csv', (ROW + chr(10)).replace(chr(10), end) * 2)}") == {"ok": 1}


def test_many_blank_lines_first(stranger: ReplayCli) -> None:
    assert quotes_of(stranger, f"csv:{stranger.write('q.csv', chr(10) * 70 + TEXT)}") == {"ok": 1}


def test_a_header_of_very_many_columns(stranger: ReplayCli) -> None:
    header, row = (line + tail * 30_000 for line, tail in zip(TEXT.split(), (",column", ",1"), strict=True))
    assert quotes_of(stranger, f"csv:{stranger.write('q.csv', f'{header}{chr(10)}{row}{chr(10)}')}") == {"ok": 1}


def test_a_field_longer_than_any_beside_an_open_quote(stranger: ReplayCli) -> None:
    text = f'{TEXT}{reference.OPEN},"IBM,1,{"x" * 200_000}\n{ROW}\n'
    assert (
        stranger.replay("--quotes", f"csv:{stranger.write('q.csv', text)}", "--fix-log", stranger.log(LOG))
        == command_line.OK
    )
    assert (stranger.summary["quotes"], stranger.summary["unreadable_quotes"]) == (2, {"ask cannot be read": 1})


def test_text_of_two_bytes_a_letter_is_refused_by_its_name(stranger: ReplayCli) -> None:
    (line,) = refused(stranger, f"csv:{stranger.write('q.csv', TEXT.encode('utf-16'))}")
    assert line == "q.csv:1: is UTF-16, which is not read: save it as UTF-8"


PACKINGS: dict[str, Callable[[bytes], Any]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": lambda b: pa.compress(b, "zstd", asbytes=True),
    "lz4": lambda b: pa.compress(b, "lz4", asbytes=True),
}


@pytest.mark.parametrize("packing", PACKINGS)
def test_what_is_compressed_is_known_by_its_bytes(stranger: ReplayCli, packing: str) -> None:
    pack = PACKINGS[packing]
    quotes = stranger.write(f"q.csv.{packing}", pack(TEXT.encode()))
    plain = f"csv:{stranger.write('q.csv', TEXT)}"
    assert quotes_of(stranger, f"csv:{quotes}") == {"ok": 1}
    log = stranger.write("log", pack("\n".join(LOG).encode()))
    assert stranger.replay("--quotes", plain, "--fix-log", str(log)) == command_line.OK
    assert stranger.summary["executions"] == 1
    reports = stranger.write("r", pack(b'{"kind":"tick","source":"s","n":1,"at":1,"seen":1}\n'))
    assert stranger.replay("--quotes", plain, "--reports", str(reports)) == command_line.OK
    assert stranger.summary["unreadable_reports"] == 0
    (stranger.folder / "q.csv").unlink()
    (stranger.folder / "all.zip").unlink(missing_ok=True)
    assert quotes_of(stranger, f"csv:{stranger.folder}") == {"ok": 1}


@pytest.mark.parametrize("packing", PACKINGS)
def test_what_is_damaged_is_read_as_far_as_it_goes(stranger: ReplayCli, packing: str) -> None:
    lines = [f"{reference.OPEN + i},IBM,{100 + i}.5,{200 + i * 7919 % 9973}.6\n" for i in range(60_000)]
    packed = PACKINGS[packing](("time,symbol,bid,ask\n" + "".join(lines)).encode())
    quotes = stranger.write("q", packed[: len(packed) // 2])
    assert stranger.replay("--quotes", f"csv:{quotes}", "--fix-log", stranger.log(LOG)) == command_line.OK, (
        stranger.said
    )
    assert sum(stranger.summary["unreadable_quotes"].values()) >= 1
    assert stranger.summary["quotes"] < len(lines)
    log = stranger.write("log", PACKINGS[packing](("\n".join(LOG) + "\n").encode())[:-5])
    assert stranger.replay("--quotes", f"csv:{stranger.write('q.csv', TEXT)}", "--fix-log", str(log)) in (0, 1)


def test_only_what_looks_like_quotes_is_taken_from_a_zip(stranger: ReplayCli) -> None:
    path = stranger.folder / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.md", "hello, this is no data")
        archive.writestr("a/q.csv", TEXT)
        archive.writestr("b/q.csv.gz", gzip.compress(TEXT.encode()))
        archive.writestr("__MACOSX/._q.csv", b"\0")
    assert quotes_of(stranger, f"csv:{path}") == {"ok": 1}
    assert stranger.summary["quotes"] == 2


def test_a_zip_that_holds_nothing(stranger: ReplayCli) -> None:
    zipfile.ZipFile(stranger.folder / "e.zip", "w").close()
    assert refused(stranger, f"csv:{stranger.folder / 'e.zip'}") == ["e.zip:1: holds no file"]


def test_a_zip_of_a_kind_that_is_not_known(stranger: ReplayCli) -> None:
    path = stranger.folder / "new.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("q.csv", TEXT)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 6] = 255  # the version that is needed to read it
    path.write_bytes(raw)
    assert refused(stranger, f"csv:{path}") == ["new.zip:1: cannot be read: zip file version 25.5"]


def test_a_pipe_cannot_be_read_twice(stranger: ReplayCli) -> None:
    os.mkfifo(stranger.folder / "pipe")
    (line,) = refused(stranger, f"csv:{stranger.folder / 'pipe'}")
    assert line.startswith("pipe:1: can be read only once")
