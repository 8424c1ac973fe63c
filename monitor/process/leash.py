"""A child process that does not outlive its parent, however the parent dies.

On Linux the kernel sends SIGKILL to the child when the thread that started it ends. Start it from a thread that lives
as long as the child should, such as the main one. It is done by a small Python that executes the command in its own
place, because ``preexec_fn`` is not safe in a program with threads; the process number stays the same.
"""

from __future__ import annotations

import os
import sys

_PROGRAM = """
import ctypes, os, sys
ctypes.CDLL(None, use_errno=True).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def leashed(command: list[str]) -> list[str]:
    """The command line that runs ``command`` so that it dies with this process; elsewhere than on Linux, itself."""
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _PROGRAM, str(os.getpid()), *command]
