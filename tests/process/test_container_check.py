"""A container's health check ends what has been unhealthy for long, as the compose file runs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.process.container_check import main, stuck_for
from tests import ROOT
from tests.process.test_supervisor import HEALTHY
from tests.waiting import free_port

pytestmark = pytest.mark.line

SCRIPT = """
"$PYTHON" -c "$SERVER" "$PORT" "$STATUS" true &
for turn in $(seq 200); do
  "$PYTHON" -m monitor.process.container_check "127.0.0.1:$PORT" --since "$SINCE" && break
done
echo 503 > "$STATUS"
"$PYTHON" -m monitor.process.container_check "127.0.0.1:$PORT" --since "$SINCE" --restart-after 3600
echo "still there after one check: $(jobs -r | wc -l)"
"$PYTHON" -m monitor.process.container_check "127.0.0.1:$PORT" --since "$SINCE" --restart-after 0
wait
echo "ended"
"""


def test_what_is_unhealthy_for_long_is_ended_inside_its_own_container(tmp_path: Path) -> None:
    init = tmp_path / "tini"
    shutil.copy(shutil.which("bash") or "/bin/bash", init)
    (tmp_path / "status").write_text("200")
    environment = {
        "PYTHON": sys.executable,
        "SERVER": HEALTHY,
        "PORT": str(free_port()),
        "STATUS": str(tmp_path / "status"),
        "SINCE": str(tmp_path / "since"),
        "PATH": "/usr/sbin:/usr/bin:/bin",
    }
    command = ["unshare", "-rpf", "--mount-proc", "--kill-child", str(init), "-c", SCRIPT]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["still there after one check: 1", "ended"], done.stderr
    assert "unhealthy for" in done.stderr
    assert not (tmp_path / "since").exists()


def test_outside_a_container_nothing_is_ended(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="init: true"):
        main([f"127.0.0.1:{free_port()}", "--since", str(tmp_path / "since"), "--restart-after", "0"])


def test_it_counts_from_the_first_failure_and_anew_after_an_answer(tmp_path: Path) -> None:
    since = tmp_path / "since"
    assert [stuck_for(True, since, at) for at in (100.0, 160.0)] == [0.0, 60.0]
    assert stuck_for(False, since, 170.0) == 0.0
    assert stuck_for(True, since, 200.0) == 0.0
