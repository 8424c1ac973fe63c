from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.toml import Mistaken
from monitor.venues.shipped import official, shipped
from monitor.venues.table import Venues
from tests import SHARED

NOW = 1_793_716_200_000_000_000  # 2026-11-03
IN_2013 = 1_381_190_400_000_000_000  # 2013-10-08


def shared(folder: str) -> Path:
    path = SHARED / "data" / folder
    if not path.exists():
        pytest.skip(f"real input is not on this machine: {path}")
    return path


@pytest.mark.parametrize(
    ("sent", "mic", "operating"),
    [
        ("ARCX", "ARCX", "XNYS"),
        ("XNGS", "XNGS", "XNAS"),
        ("EDGX", "EDGX", "XCBO"),
        ("xnys", "XNYS", "XNYS"),
        (" BATS ", "BATS", "XCBO"),
        ("K", "EDGX", "XCBO"),
        ("T", "XNAS", "XNAS"),
        ("Q", "XNAS", "XNAS"),
        ("P", "ARCX", "XNYS"),
        ("V", "IEXG", "IEXG"),
    ],
)
def test_mics_and_tape_letters_are_resolved(sent: str, mic: str, operating: str) -> None:
    found = shipped().resolve(sent, NOW)
    assert (found.mic, found.operating, found.off_exchange, found.status) == (mic, operating, False, "active")
    assert found.kind == "exchange"


def test_d_is_off_exchange_and_does_not_say_where() -> None:
    found = shipped().resolve("D", NOW)
    assert (found.mic, found.operating, found.off_exchange, found.status) == (None, "FINR", True, "ambiguous")
    for mic in ("FINY", "FINN", "FINC", "XADF"):
        assert mic in found.reason
        facility = shipped().resolve(mic, NOW)
        assert (facility.mic, facility.operating, facility.off_exchange) == (mic, "FINR", True)


def test_letters_are_dated() -> None:
    assert shipped().resolve("C", IN_2013).operating == "XCIS"
    assert shipped().resolve("C", NOW).operating == "XNYS"
    assert shipped().resolve("C", IN_2013).mic == shipped().resolve("C", NOW).mic == "XCIS"
    assert (shipped().resolve("W", IN_2013).mic, shipped().resolve("W", IN_2013).status) == ("CBSX", "active")
    assert (shipped().resolve("W", NOW).mic, shipped().resolve("W", NOW).status) == ("CBSX", "expired")
    assert shipped().resolve("U", IN_2013).status == "expired"


@pytest.mark.parametrize("sent", ["ARCA", "NSDQ", "ZZZZ", "?", "XNYSX", "é"])
def test_what_is_not_known_is_said_to_be_unknown(sent: str) -> None:
    found = shipped().resolve(sent, NOW)
    assert (found.mic, found.operating, found.status) == (None, None, "unknown")


@pytest.mark.parametrize("sent", [None, "", "  "])
def test_no_venue_is_absent_not_unknown(sent: str | None) -> None:
    assert shipped().resolve(sent, NOW).status == "absent"


def test_an_expired_mic_is_expired_and_was_active_before() -> None:
    found = shipped().resolve("XOCH", NOW)
    assert (found.mic, found.status) == ("XOCH", "expired")
    assert "20210823" in found.reason
    assert shipped().resolve("XOCH", IN_2013).status == "active"


def test_an_operating_mic_covers_its_segments_and_not_the_other_way() -> None:
    venues = shipped()
    assert venues.covers("XNYS", venues.resolve("ARCX", NOW))
    assert venues.covers("ARCX", venues.resolve("ARCX", NOW))
    assert not venues.covers("ARCX", venues.resolve("XNYS", NOW))
    assert not venues.covers("XNAS", venues.resolve("ARCX", NOW))
    assert not venues.covers("XNYS", venues.resolve("NOSUCH", NOW))
    assert (venues.operating("EPRL"), venues.operating("NOSUCH")) == ("MIHI", None)


@given(st.none() | st.text(max_size=8), st.integers(0, (1 << 63) - 1))
def test_nothing_makes_it_raise(sent: str | None, at: int) -> None:
    found = shipped().resolve(sent, at)
    assert found.reason


def test_segments_are_those_of_iso_10383() -> None:
    known = json.loads((shared("ref-iso10383-mic") / "expected_segments.json").read_text("utf-8"))
    text = gzip.decompress((shared("ref-iso10383-mic") / "ISO10383_MIC.csv.gz").read_bytes()).decode("utf-8")
    for venues in (shipped(), Venues.from_iso_csv(text)):
        for mic, (operating, _, status) in known.items():
            found = venues.resolve(mic, NOW)
            assert (found.mic, found.operating, found.status) == (mic, operating, status.lower()), mic


def test_the_official_list_is_read_as_it_is(tmp_path: Path) -> None:
    packed = shared("ref-iso10383-mic") / "ISO10383_MIC.csv.gz"
    path = tmp_path / "iso.csv"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    venues = official(str(path))
    assert len(venues.by_mic) == 2767
    assert venues.resolve("XLON", NOW).kind == "exchange"
    assert venues.resolve("K", NOW).mic == "EDGX"
    for mic, venue in shipped().by_mic.items():
        assert venues.by_mic[mic] == venue


def test_the_published_headings_with_spaces_are_read_too() -> None:
    head = "\ufeffMIC,OPERATING MIC,OPRT/SGMT,MARKET CATEGORY CODE,STATUS,EXPIRY DATE"
    text = f"{head}\nABCD,EFGH,SGMT,ATSS,EXPIRED,2020-01-31\n"
    found = Venues.from_iso_csv(text).resolve("ABCD", NOW)
    assert (found.operating, found.kind, found.status) == ("EFGH", "ats", "expired")


def test_a_file_that_is_no_venue_list_is_a_located_mistake(tmp_path: Path) -> None:
    path = tmp_path / "not.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(Mistaken, match="column 'MIC' is missing"):
        official(str(path))
    with pytest.raises(Mistaken, match="cannot be read"):
        official(str(tmp_path / "none.csv"))


def test_tape_letters_agree_with_a_vendors_table() -> None:
    path = shared("ref-us-venue-codes") / "sip_participant_codes_polygon.csv"
    with path.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["type"] != "SIP"]
    for row in rows:
        found = shipped().resolve(row["participant_id"], NOW)
        if row["participant_id"] == "D":
            assert found.off_exchange
            assert row["mic"] in found.reason
        elif row["participant_id"] == "X":
            assert (found.mic, found.operating) == ("XPSX", row["operating_mic"])
        else:
            assert found.mic == row["mic"], row


def test_the_equities_venues_of_a_data_vendor_are_known() -> None:
    path = shared("ref-us-venue-codes") / "databento_venues.csv"
    with path.open(newline="") as lines:
        mics = [row["mic"] for row in csv.DictReader(lines)]
    equities = [*mics[mics.index("XNAS") : mics.index("EPRL") + 1], "LTSE", "ASPN", "ASMT", "ASPI"]
    assert [mic for mic in equities if shipped().resolve(mic, NOW).status == "unknown"] == []
