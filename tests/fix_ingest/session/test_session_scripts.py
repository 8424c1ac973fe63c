"""The session scripts of the FIX acceptance suite against the listener's own sessions and relaxed dictionaries."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fix_ingest.journal import read_all
from tests import SHARED
from tests.fix_ingest.session.session_script import Conversation
from tests.waiting import free_port, until

pytestmark = pytest.mark.line

ARCHIVE = SHARED / "data" / "fix-quickfix-at-defs" / "definitions.tar.gz"
VERSIONS = {"fix42": ("FIX.4.2", "TW42"), "fix44": ("FIX.4.4", "TW44")}

TAKEN_ON_PURPOSE = {
    "14a_BadField",
    "14b_RequiredFieldMissing",
    "14c_TagNotDefinedForMsgType",
    "14d_TagSpecifiedWithoutValue",
    "14e_IncorrectEnumValue",
    "14f_IncorrectDataFormat",
    "14g_HeaderBodyTrailerFieldsOutOfOrder",
    "14i_RepeatingGroupCountNotEqual",
    "1d_InvalidLogonBadSendingTime",
    "2o_SendingTimeValueOutOfRange",
    "RejectResentMessage",
}
"""Want a reject of what the relaxed dictionary and lenient checks take, so that it is not lost."""

NEED_AN_ECHO = {
    "20_SimultaneousResendRequest",
    "2r_UnregisteredMsgType",
    "8_AdminAndApplicationMessages",
    "8_OnlyApplicationMessages",
    "ReverseRoute",
    "ReverseRouteWithEmptyRoutingTags",
}
"""Rest on application messages sent by us: a drop-copy listener never sends any."""

SLOW = {"4a_NoDataSentDuringHeartBtInt", "6_SendTestRequest"}
"""Pass as well, in 12 and 35 seconds of waiting for heartbeats."""

NAMES = [
    "10_MsgSeqNumEqual",
    "10_MsgSeqNumGreater",
    "10_MsgSeqNumLess",
    "11a_NewSeqNoGreater",
    "11b_NewSeqNoEqual",
    "11c_NewSeqNoLess",
    "13b_UnsolicitedLogoutMessage",
    "14h_RepeatedTag",
    "15_HeaderAndBodyFieldsOrderedDifferently",
    "19a_PossResendMessageThatHAsAlreadyBeenSent",
    "19b_PossResendMessageThatHasNotBeenSent",
    "1a_ValidLogonMsgSeqNumTooHigh",
    "1a_ValidLogonWithCorrectMsgSeqNum",
    "1b_DuplicateIdentity",
    "1c_InvalidSenderCompID",
    "1c_InvalidTargetCompID",
    "1d_InvalidLogonLengthInvalid",
    "1d_InvalidLogonWrongBeginString",
    "1e_NotLogonMessage",
    "21_RepeatingGroupSpecifierWithValueOfZero",
    "2a_MsgSeqNumCorrect",
    "2b_MsgSeqNumTooHigh",
    "2c_MsgSeqNumTooLow",
    "2d_GarbledMessage",
    "2e_PossDupAlreadyReceived",
    "2e_PossDupNotReceived",
    "2f_PossDupOrigSendingTimeTooHigh",
    "2g_PossDupNoOrigSendingTime",
    "2i_BeginStringValueUnexpected",
    "2k_CompIDDoesNotMatchProfile",
    "2m_BodyLengthValueNotCorrect",
    "2q_MsgTypeNotValid",
    "2t_FirstThreeFieldsOutOfOrder",
    "3b_InvalidChecksum",
    "3c_GarbledMessage",
    "4b_ReceivedTestRequest",
    "7_ReceiveRejectMessage",
    "8_OnlyAdminMessages",
    "AlreadyLoggedOn",
    "SessionReset",
]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not ARCHIVE.exists():
        pytest.skip(f"session scripts are not on this machine: {ARCHIVE}")
    directory = tmp_path_factory.mktemp("scripts")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(directory, filter="data")
    return directory / "test" / "definitions" / "server"


@pytest.fixture(scope="module", params=sorted(VERSIONS))
def acceptor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int, Path]]:
    """Version, port and state of a running acceptor."""
    state, port = tmp_path_factory.mktemp("acceptor"), free_port()
    command = [sys.executable, str(Path(__file__).with_name("script_acceptor.py")), str(port), str(state)]
    with (
        (state / "log").open("wb") as log,
        subprocess.Popen(
            [*command, *VERSIONS[request.param]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        yield request.param, port, state
        process.kill()


@pytest.mark.parametrize("name", NAMES)
def test_script(name: str, acceptor: tuple[str, int, Path], scripts: Path) -> None:
    version, port, state = acceptor
    script = scripts / version / f"{name}.def"
    if not script.exists():
        pytest.skip(f"{version} has no such script")
    Conversation(port, patience=10.0).run(script)
    until(lambda: _all_down(state))


def test_every_script_is_accounted_for(scripts: Path) -> None:
    assert {path.stem for path in (scripts / "fix44").glob("*.def")} == {
        *NAMES,
        *TAKEN_ON_PURPOSE,
        *NEED_AN_ECHO,
        *SLOW,
    }


def _all_down(state: Path) -> bool:
    kinds = [record.kind for record in read_all(state / "journal")]
    return kinds.count("up") == kinds.count("down")
