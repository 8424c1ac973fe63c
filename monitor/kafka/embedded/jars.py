"""Apache Kafka's jars: fetched once from a Maven repository by a lock file, verified, kept in a cache.

The lock (``kafka_jars.lock``) names every jar with its size and SHA-256, so that no Maven is needed and no repository
has to be trusted: what does not have the right hash is refused. Two processes may fetch at once; each jar appears
under its name only whole, by an atomic rename.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from msgspec import Struct

LOCK = Path(__file__).with_name("kafka_jars.lock")
ATTEMPTS = 4
TIMEOUT_S = 60.0
_SCHEMES = ("https://", "http://", "file://")


class Jar(Struct, frozen=True):
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """File name, the same in a repository and in the cache."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> str:
        """Place within a Maven repository."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.name}"


class JarsUnavailable(RuntimeError):
    """A jar could not be fetched or is not the one of the lock; says which, from where, and what to do."""


def locked(text: str) -> list[Jar]:
    """The jars of a lock file's text: ``group:artifact:version bytes sha256`` a line."""
    jars = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            coordinates, size, sha256 = line.split()
            group, artifact, version = coordinates.split(":")
            jars.append(Jar(group, artifact, version, int(size), sha256))
    return jars


def cache_directory() -> Path:
    """``$SORWATCH_CACHE/kafka``, or ``sorwatch/kafka`` in the user's cache directory."""
    named = os.environ.get("SORWATCH_CACHE")
    if named:
        return Path(named) / "kafka"
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "sorwatch" / "kafka"


def fetch(
    mirror: str, directory: Path, jars: Iterable[Jar], progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Paths of the jars in ``directory``, fetching those that are not there or not whole.

    ``progress(bytes so far, bytes in all)`` is told after each jar. Raises `JarsUnavailable`.
    """
    wanted = list(jars)
    if not mirror.startswith(_SCHEMES):
        raise JarsUnavailable(f"kafka.mirror: {mirror!r} must begin with one of {', '.join(_SCHEMES)}")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    missing = [jar for jar in wanted if not _whole(directory / jar.name, jar)]
    total, done = sum(jar.size for jar in missing), 0
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="jars") as pool:
        waiting = {pool.submit(_fetch_one, mirror, directory, jar): jar for jar in missing}
        try:
            for future in as_completed(waiting):
                future.result()
                done += waiting[future].size
                if progress is not None:
                    progress(done, total)
        except BaseException:  # also an interrupt must not wait for the rest: cancelled, then raised again
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [directory / jar.name for jar in wanted]


def show(done: int, total: int) -> None:
    """Progress for a person, on standard error."""
    end = "\n" if done == total or not sys.stderr.isatty() else "\r"
    if end == "\r" or done == total or done * 4 // total != (done - 1) * 4 // total:
        sys.stderr.write(f"fetching Apache Kafka: {done / 1e6:.0f} of {total / 1e6:.0f} MB{end}")
        sys.stderr.flush()


def _fetch_one(mirror: str, directory: Path, jar: Jar) -> None:
    url = f"{mirror.rstrip('/')}/{jar.path}"
    data = _download(url)
    got = hashlib.sha256(data).hexdigest()
    if got != jar.sha256:
        raise JarsUnavailable(
            f"{url} is not the file of the lock: SHA-256 {got}, expected {jar.sha256}. Nothing was kept. "
            "Name a faithful Maven repository in kafka.mirror or $SORWATCH_MAVEN_MIRROR."
        )
    with tempfile.NamedTemporaryFile(dir=directory, prefix=f".{jar.name}.", delete=False) as part:
        part.write(data)
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).replace(directory / jar.name)


def _download(url: str) -> bytes:
    failures: list[str] = []
    for _ in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - scheme checked in `fetch`
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            failures.append(f"HTTP {error.code}")
            if error.code < 500:
                break
        except (OSError, urllib.error.URLError) as error:
            failures.append(str(getattr(error, "reason", error)))
    raise JarsUnavailable(
        f"cannot fetch {url} ({failures[-1]}; {len(failures)} attempts). "
        "Name a reachable Maven repository in kafka.mirror or $SORWATCH_MAVEN_MIRROR, "
        "or a broker that is there already in kafka.bootstrap."
    )


def _whole(path: Path, jar: Jar) -> bool:
    try:
        return path.stat().st_size == jar.size and hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256
    except OSError:
        return False
