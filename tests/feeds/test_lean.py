"""Lean tick files: real ones where they are on this machine, made-up ones for what those do not hold."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from monitor.config.toml import Mistaken
from monitor.feeds.notation import read_blocks
from monitor.feeds.rejects import Rejects
from monitor.wire.blocks import ABSENT, Block

QUOTES = {"20131007": 109_067, "20131008": 125_750}


def blocks(*notations: str, complaints: Rejects | None = None, rows: int = 1000) -> list[Block]:
    return list(read_blocks(list(notations), "nbbo", rows, complaints=complaints))


def column(found: list[Block], name: str) -> list[int]:
    return [v for b in found for v in getattr(b, name).tolist()]


def zipped(path: Path, member: str, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, text)
    return f"lean:{path}"


def utc(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


@pytest.mark.parametrize("day", QUOTES)
def test_real_quotes_equal_an_independent_reading(lean: Path, day: str) -> None:
    path = lean / "ibm" / f"{day}_quote.zip"
    found = blocks(f"lean:{path}")
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        raw = pl.read_csv(file.read(), has_header=False, new_columns=["ms", "b", "bs", "a", "as", "x", "c", "s"])
    midnight = int(datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).timestamp()) + 4 * 3600
    filled = raw.with_columns(
        (pl.col("ms") * 10**6 + midnight * 10**9).alias("time"),
        pl.when(pl.col("b") != 0).then(pl.col("b") * 10**5).forward_fill().fill_null(ABSENT).alias("bid"),
        pl.when(pl.col("a") != 0).then(pl.col("a") * 10**5).forward_fill().fill_null(ABSENT).alias("ask"),
        pl.when(pl.col("b") != 0).then(pl.col("bs")).forward_fill().fill_null(ABSENT).alias("bid_size"),
        pl.when(pl.col("a") != 0).then(pl.col("as")).forward_fill().fill_null(ABSENT).alias("ask_size"),
    )
    assert len(filled) == QUOTES[day] == sum(map(len, found))
    for name in ("time", "bid", "ask", "bid_size", "ask_size"):
        assert column(found, name) == filled[name].to_list(), name
    assert {b.symbols for b in found} == {("IBM",)}
    assert [b.n for b in found] == list(range(len(found)))
    assert [b.ended for b in found] == [False] * (len(found) - 1) + [True]


def test_a_folder_gives_all_its_days_in_order(lean: Path) -> None:
    found = blocks(f"lean:{lean}")
    times = np.array(column(found, "time"))
    assert len(times) == sum(QUOTES.values())
    assert (np.diff(times) >= 0).all()
    throughs = [b.through for b in found if b.through is not None]
    assert throughs == sorted(throughs)
    for block, following in pairwise(found):
        assert block.through is not None
        assert block.through < following.time[0]


@pytest.mark.parametrize(
    ("day", "hour", "at"),
    [
        ("20130308", 9, "2013-03-08T14:00"),
        ("20130310", 1, "2013-03-10T06:00"),
        ("20130310", 3, "2013-03-10T07:00"),
        ("20130311", 9, "2013-03-11T13:00"),
        ("20131101", 9, "2013-11-01T13:00"),
        ("20131104", 9, "2013-11-04T14:00"),
    ],
)
def test_the_time_of_day_is_new_yorks_summer_and_winter(tmp_path: Path, day: str, hour: int, at: str) -> None:
    line = f"{hour * 3_600_000 + 123},1000000,100,0,0,P,1,0\n"
    found = blocks(zipped(tmp_path / "spy" / f"{day}_quote.zip", f"{day}_spy_Quote_Tick.csv", line))
    assert column(found, "time") == [utc(at) + 123_000_000]
    assert found[0].symbols == ("SPY",)


def test_a_side_that_has_not_changed_stays_as_it_was(tmp_path: Path) -> None:
    text = "1,0,0,200,5,P,1,0\n2,100,7,0,0,P,1,0\n2,0,0,300,6,P,1,0\n3,50,1,60,2,P,1,1\n"
    found = blocks(zipped(tmp_path / "20200102_quote.zip", "20200102_brk.b_Quote_Tick.csv", text))
    assert found[0].symbols == ("BRK.B",)
    assert column(found, "bid") == [ABSENT, 10_000_000, 10_000_000, 5_000_000]
    assert column(found, "ask") == [20_000_000, 20_000_000, 30_000_000, 6_000_000]
    assert column(found, "bid_size") == [ABSENT, 7, 7, 1]
    assert column(found, "ask_size") == [5, 5, 6, 2]


def test_suspicious_lines_can_be_left_out(tmp_path: Path) -> None:
    text = "1,100,1,0,0,P,1,0\n2,900,1,0,0,P,1,1\n3,0,0,200,1,P,1,0\n"
    notation = zipped(tmp_path / "x" / "20200102_quote.zip", "20200102_x_Quote_Tick.csv", text)
    assert column(blocks(notation), "bid") == [10_000_000, 90_000_000, 90_000_000]
    assert column(blocks(f"{notation}?suspicious=drop"), "bid") == [10_000_000, 10_000_000]


def test_other_layouts_plain_files_and_fractions(tmp_path: Path) -> None:
    folder = tmp_path / "msft"
    folder.mkdir()
    (folder / "20240105_quote.csv").write_text("34200000.1234,3700100,100,3700200,200\n34200001,0,0,3700300.5,100\n")
    found = blocks(f"lean:{folder}")
    assert found[0].symbols == ("MSFT",)
    assert column(found, "time") == [utc("2024-01-05T14:30:00.0001234"), utc("2024-01-05T14:30:00.001")]
    assert column(found, "ask") == [370_020_000_000, 370_030_050_000]


def test_half_written_lines_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    text = "1,100,1,0,0,P,1,0\n2,1x0,1,0,0,P,1,0\n3,0,0,0,0,P,1,0\n\n5,0,0,200,1,P,1,0\n6,100,1"
    path = tmp_path / "x" / "20200102_quote.zip"
    complaints = Rejects()
    found = blocks(zipped(path, "20200102_x_Quote_Tick.csv", text), complaints=complaints)
    assert column(found, "bid") == [10_000_000, 10_000_000]
    assert [u.place.rsplit(":", 1)[1] for u in sorted(complaints.kept, key=lambda u: u.place)] == ["2", "3", "6"]
    assert complaints.total == 3


def test_a_damaged_archive_gives_what_it_holds_and_says_so(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    text = "".join(f"{i},{p},1,0,0,P,1,0\n" for i, p in enumerate(random.integers(10**6, 2 * 10**6, 200_000)))
    path = tmp_path / "20200102_quote.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("20200102_x_Quote_Tick.csv", text)
    data = bytearray(path.read_bytes())
    data[-4000:-3000] = bytes(1000)
    path.write_bytes(data)
    complaints = Rejects()
    found = blocks(f"lean:{path}", complaints=complaints)
    assert found[-1].ended
    assert any("damaged" in reason for reason in complaints.counts)


@pytest.mark.parametrize("name", ["quote.zip", "99999999_quote.zip"])
def test_a_file_without_a_date_is_a_clear_mistake(tmp_path: Path, name: str) -> None:
    with pytest.raises(Mistaken, match="no date"):
        blocks(zipped(tmp_path / name, "x.csv", "1,100,1,0,0,P,1,0\n"))


def test_members_of_several_days_go_by_their_own_dates(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "20131007_quote.zip", "w") as archive:
        for day in ("20131008", "20131007"):
            archive.writestr(f"x/{day}_ibm_Quote_Tick.csv", "34200000,1000000,1,1010000,2\n")
        archive.writestr("20131007_ibm_Trade_Tick.csv", "34200000,1000000,1,P,0,0\n")
    found = blocks(f"lean:{tmp_path / '20131007_quote.zip'}")
    assert column(found, "time") == [utc("2013-10-07T13:30"), utc("2013-10-08T13:30")]


@pytest.mark.parametrize(
    ("name", "member", "told"),
    [
        ("20131007_quote_american.zip", "20131007_aapl_tick_quote_american_call_6500000_20131019.csv", "an option"),
        ("20131007_trade.zip", "20131007_ibm_Trade_Tick.csv", "holds no quote file"),
        ("20131007_quote.zip", "20131007_ibm_Trade_Tick.csv", "holds no quote file"),
    ],
)
def test_what_holds_no_quotes_of_an_equity_is_refused(tmp_path: Path, name: str, member: str, told: str) -> None:
    with pytest.raises(Mistaken, match=told):
        blocks(zipped(tmp_path / "aapl" / name, member, "34200000,1000000,1,1010000,2\n"))


def test_a_zip_that_holds_nothing_says_so(tmp_path: Path) -> None:
    zipfile.ZipFile(tmp_path / "20131007_quote.zip", "w").close()
    with pytest.raises(Mistaken, match="holds no file"):
        blocks(f"lean:{tmp_path / '20131007_quote.zip'}")


def test_a_side_left_blank_has_not_changed(tmp_path: Path) -> None:
    text = "34200000,1000000,1,,,P\n34200001,,,1010000,2,P\n34200002,,,,,P\n"
    complaints = Rejects()
    found = blocks(
        zipped(tmp_path / "ibm" / "20131007_quote.zip", "20131007_ibm_Quote_Tick.csv", text), complaints=complaints
    )
    assert column(found, "bid") == [100 * 10**9] * 2
    assert column(found, "ask") == [ABSENT, 101 * 10**9]
    assert complaints.total == 1
