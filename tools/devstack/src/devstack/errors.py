"""The one error of this package, and the sentences it says for causes that a person can mend."""

import errno
from collections.abc import Callable
from pathlib import Path

Progress = Callable[[str], None]  # takes one line of what is going on


class DevStackError(Exception):
    """`args[0]` is one sentence: what went wrong and what to do about it."""


def disk_sentence(error: OSError, folder: Path) -> DevStackError:
    """Say a failed write in terms of the folder it was meant for."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return no_room(folder)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DevStackError(
            f"{folder} can't be written by this user: change its owner, or choose another folder."
        )
    return DevStackError(f"{folder} can't be used ({error.strerror or error}).")


def no_room(folder: Path) -> DevStackError:
    return DevStackError(f"No room left for {folder}: free about 300 MB there and start again.")


def port_taken(name: str, port: int) -> DevStackError:
    return DevStackError(
        f"Port {port} on 127.0.0.1 is used by another program: end that one, or choose another "
        f"port for {name}."
    )
