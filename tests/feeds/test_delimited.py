"""CSV and Parquet: columns, compression, order, and rows that cannot be read."""

from __future__ import annotations

import gzip
import json
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.config.toml import Mistaken
from monitor.feeds.notation import column_map, read_blocks
from monitor.feeds.rejects import Rejects
from monitor.wire.blocks import ABSENT, Block
from tests import SHARED

HEADER = "time,symbol,bid,ask,bid_size,ask_size\n"
DATA = SHARED / "data"


def read(notation: str, complaints: Rejects | None = None, **columns: str) -> list[tuple[object, ...]]:
    """(time, symbol, bid, ask, bid_size, ask_size) of every row."""
    found = list(read_blocks([notation], "nbbo", 3, complaints=complaints, columns=columns))
    assert [b.n for b in found] == list(range(len(found)))
    assert [b.ended for b in found] == [False] * (len(found) - 1) + [True]
    return [row for block in found for row in rows(block)]


def rows(block: Block) -> list[tuple[object, ...]]:
    values = [getattr(block, name).tolist() for name in ("bid", "ask", "bid_size", "ask_size")]
    symbols = [block.symbols[i] for i in block.symbol.tolist()]
    return [
        (time, symbol, *(None if v == ABSENT else v for v in rest))
        for time, symbol, *rest in zip(block.time.tolist(), symbols, *values, strict=True)
    ]


def written(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return f"csv:{path}"


def test_a_header_names_the_columns_whatever_their_order(tmp_path: Path) -> None:
    text = "ask,extra,Bid,TIME,Symbol,Ask Size\n183.65,x,183.63,2013-10-07T13:30:00.123456789Z,IBM,200\n"
    assert read(written(tmp_path / "q.csv", text)) == [
        (1_381_152_600_123_456_789, "IBM", 183_630_000_000, 183_650_000_000, None, 200)
    ]


def test_without_a_header_the_order_of_columns_counts(tmp_path: Path) -> None:
    assert read(written(tmp_path / "q.csv", "1,A,1,2,300,400\r\n2,B,1,2,,\r\n")) == [
        (1, "A", 10**9, 2 * 10**9, 300, 400),
        (2, "B", 10**9, 2 * 10**9, None, None),
    ]
    assert read(written(tmp_path / "four.csv", "1,A,1,2")) == [(1, "A", 10**9, 2 * 10**9, None, None)]


def test_other_names_by_the_notation_and_by_the_option(tmp_path: Path) -> None:
    notation = written(tmp_path / "q.csv", "ts|sym|b|a\n1|A|1|2\n")
    expected = [(1, "A", 10**9, 2 * 10**9, None, None)]
    assert read(f"{notation}?time=ts&symbol=sym&bid=b&ask=a") == expected
    assert read(notation, **column_map("time=ts, symbol=sym,bid=b,ask=a")) == expected
    assert read(f"{notation}?bid=b", **column_map("time=ts,symbol=sym,ask=a,bid=nonsense")) == expected


@pytest.mark.parametrize("side", ["", "0", "0.000", "-1", "NaN", "null"])
def test_a_side_that_is_empty_zero_or_less_is_absent_with_its_size(tmp_path: Path, side: str) -> None:
    assert read(written(tmp_path / "q.csv", f"{HEADER}1,A,{side},2,100,200\n")) == [
        (1, "A", None, 2 * 10**9, None, 200)
    ]


@pytest.mark.parametrize("name", ["q.csv.gz", "q.csv.zst", "q.zip"])
def test_compressed_files(tmp_path: Path, name: str) -> None:
    text = (HEADER + "1,A,1,2,3,4\n").encode()
    path = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("q.csv", text)
    else:
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else pa.Codec("zstd").compress(text, asbytes=True))
    assert read(f"csv:{path}") == [(1, "A", 10**9, 2 * 10**9, 3, 4)]


def test_rows_that_cannot_be_read_are_counted_with_their_line(tmp_path: Path) -> None:
    lines = [
        "1,A,1,2,3,4",
        "",
        "2,A,x,2,3,4",
        "3,A,1",
        '4,"A,1,2,3,4',
        "later,A,1,2,3,4",
        "6,,1,2,3,4",
        '7,"A",1,2,3,4',
    ]
    text = (HEADER + "\n".join(lines) + "\n").encode() + b"8,\xff,1,2,3,4\n\xfe9,A,1,2,3,4\n10,A,1,2,3"
    complaints = Rejects()
    assert [r[0] for r in read(written(tmp_path / "q.csv", text), complaints)] == [1, 7]
    assert sorted(int(u.place.rsplit(":", 1)[1]) for u in complaints.kept) == [4, 5, 6, 7, 8, 10, 11, 12]
    assert complaints.counts["bid cannot be read"] == 1


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("time,symbol,bid\n1,A,1\n", "no column ask among time, symbol, bid"),
        ("ts,ticker,b,a\n1,A,1,2\n", "no column time, symbol, bid, ask among ts, ticker, b, a; name yours"),
    ],
)
def test_a_wrong_header_says_what_is_missing(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(Mistaken, match=what):
        read(written(tmp_path / "q.csv", text))


@pytest.mark.parametrize("notation", ["csv:/nowhere/q.csv", "csv:/nowhere/*.csv", "nonsense", "pcap:x", "jsonl:-"])
def test_a_source_that_is_none_is_a_clear_mistake(notation: str) -> None:
    with pytest.raises(Mistaken):
        read(notation)


def test_a_column_map_that_names_nothing_of_ours(tmp_path: Path) -> None:
    with pytest.raises(Mistaken, match="colour: write OURS=THEIRS"):
        column_map("colour=x")


def test_nothing_in_a_file_is_still_an_end(tmp_path: Path) -> None:
    assert read(written(tmp_path / "none.csv", "")) == []
    assert read(written(tmp_path / "header.csv", HEADER)) == []


def test_files_out_of_order_are_sorted_and_keep_the_order_of_equal_times(tmp_path: Path) -> None:
    text = "2,A,1,9\n1,A,2,9\n2,A,3,9\n1,B,4,9\n"
    assert [(r[0], r[2]) for r in read(written(tmp_path / "q.csv", text))] == [
        (1, 2 * 10**9),
        (1, 4 * 10**9),
        (2, 10**9),
        (2, 3 * 10**9),
    ]


def test_several_files_are_merged_by_time(tmp_path: Path) -> None:
    written(tmp_path / "a.csv", "1,A,1,9\n3,A,3,9\n5,A,5,9\n")
    written(tmp_path / "b.csv", "2,B,2,9\n3,B,4,9\n")
    written(tmp_path / "notes.md", "not quotes")
    for notation in (f"csv:{tmp_path}", f"csv:{tmp_path}/*.csv"):
        assert [(r[0], r[1]) for r in read(notation)] == [(1, "A"), (2, "B"), (3, "A"), (3, "B"), (5, "A")]


def test_a_file_of_many_pieces_is_streamed_exactly(tmp_path: Path) -> None:
    count = 300_000
    times = np.arange(count) * 7
    lines = (f"{t},S{i % 500},{i % 1000 + 1}.25,{i % 1000 + 2}.5,{i},{i}" for i, t in enumerate(times.tolist()))
    found = read_blocks([written(tmp_path / "big.csv", HEADER + "\n".join(lines))], "nbbo", 10_000)
    bids, seen = [], 0
    for block in found:
        assert (block.time == times[seen : seen + len(block)]).all()
        assert (block.bid_size == np.arange(seen, seen + len(block))).all()
        bids.append(block.bid)
        seen += len(block)
    assert seen == count
    assert (np.concatenate(bids) == (np.arange(count) % 1000 + 1) * 10**9 + 250_000_000).all()


PARQUET = {
    "integers": {"time": pa.array([1, 2]), "bid": pa.array([183, 0]), "ask": pa.array([184, 184])},
    "decimals": {
        "time": pa.array([1, 2], pa.timestamp("ns")),
        "bid": pa.array([Decimal("183.0000"), None], pa.decimal128(12, 4)),
        "ask": pa.array([184.0, 184.0], pa.float32()),
    },
    "text": {
        "time": pa.array(["1970-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00.000000002Z"]),
        "bid": pa.array(["183", ""]),
        "ask": pa.array(["184.0", "184"]),
    },
    "floats and zones": {
        "time": pa.array([1, 2], pa.timestamp("ns", "America/New_York")),
        "bid": pa.array([183.0, float("nan")]),
        "ask": pa.array([184.0, 184.0]),
    },
}


@pytest.mark.parametrize("kind", PARQUET)
def test_parquet_of_every_type(tmp_path: Path, kind: str) -> None:
    symbol = pa.array(["A", "B"]).dictionary_encode() if kind == "floats and zones" else pa.array(["A", "B"])
    pq.write_table(pa.table({**PARQUET[kind], "symbol": symbol}), tmp_path / "q.parquet")
    assert read(f"parquet:{tmp_path}/q.parquet") == [
        (1, "A", 183 * 10**9, 184 * 10**9, None, None),
        (2, "B", None, 184 * 10**9, None, None),
    ]


def test_parquet_prices_are_never_rounded_as_floats(tmp_path: Path) -> None:
    prices = [183.63, 0.1, 0.0001, 4_567_890.1234]
    table = pa.table({"time": [1, 2, 3, 4], "symbol": ["A"] * 4, "bid": prices, "ask": prices})
    pq.write_table(table, tmp_path / "q.parquet")
    expected = [183_630_000_000, 100_000_000, 100_000, 4_567_890_123_400_000]
    assert [r[2] for r in read(f"parquet:{tmp_path}/q.parquet")] == expected


def test_parquet_that_is_none_or_has_no_such_columns(tmp_path: Path) -> None:
    (tmp_path / "q.parquet").write_bytes(b"nonsense")
    with pytest.raises(Mistaken, match="cannot be read as Parquet"):
        read(f"parquet:{tmp_path}/q.parquet")
    pq.write_table(pa.table({"time": [True], "symbol": ["A"], "bid": [1.0], "ask": [1.0]}), tmp_path / "r.parquet")
    with pytest.raises(Mistaken, match="time is bool"):
        read(f"parquet:{tmp_path}/r.parquet")


def test_the_quotes_of_pandas_own_tests() -> None:
    path = DATA / "asof-pandas" / "quotes.csv"
    if not path.exists():
        pytest.skip(f"real input is not on this machine: {path}")
    found = read(f"csv:{path}?symbol=ticker")
    raw = [line.split(",") for line in path.read_text().splitlines()[1:]]
    assert len(found) == len(raw)
    for (day_and_time, ticker, bid, ask), row in zip(sorted(raw, key=lambda r: r[0]), found, strict=True):
        day, at = day_and_time.split()
        time = np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}T{at}", "ns").astype(np.int64)
        assert row[:4] == (time, ticker, int(Decimal(bid).scaleb(9)), int(Decimal(ask).scaleb(9)))


def test_quotes_as_polygon_answers_them_newest_first(tmp_path: Path) -> None:
    path = DATA / "quotes-polygon-json" / "v3_quotes_AAPL.json"
    if not path.exists():
        pytest.skip(f"real input is not on this machine: {path}")
    quotes = json.loads(path.read_text())["results"]
    lines = [
        f"{q['sip_timestamp']},AAPL,{q['bid_price']},{q['ask_price']},{q['bid_size']},{q['ask_size']}" for q in quotes
    ]
    found = read(written(tmp_path / "q.csv", HEADER + "\n".join(lines)))
    assert [r[0] for r in found] == sorted(q["sip_timestamp"] for q in quotes)
    assert found[-1][2:4] == (155_850_000_000, 155_870_000_000)


def test_scrambled_nyse_quotes(tmp_path: Path) -> None:
    path = DATA / "quotes-nyse-taq-bbo-scrambled" / "small_test_data_public.zip"
    if not path.exists():
        pytest.skip(f"real input is not on this machine: {path}")
    with zipfile.ZipFile(path) as archive:
        records = archive.read(archive.namelist()[0]).decode().splitlines()[1:]
    lines = [
        f"2014-02-06T{r[:2]}:{r[2:4]}:{r[4:6]}.{r[6:9]}-05:00,{r[10:26].strip()},{_price(r[26:37])},{_price(r[44:55])}"
        for r in records
    ]
    found = read(written(tmp_path / "q.csv", "time,symbol,bid,ask\n" + "\n".join(lines)))
    assert len(found) == len(records) == 9_994
    assert [r[0] for r in found] == sorted(r[0] for r in found)  # type: ignore[type-var]  # times are ints
    crossed = sum(1 for r in found if r[2] is not None and r[3] is not None and r[2] > r[3])  # type: ignore[operator]  # ints
    assert crossed > 100


def _price(digits: str) -> str:
    return f"{digits[:7]}.{digits[7:]}"
