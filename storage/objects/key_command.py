"""Master keys that this process never holds: a program asks whoever does, a hardware module or a cloud's service.

The program is called with one of three acts, and says in its answer, on standard output:

- `keys`: the names of the master keys, one a line, that which wraps now first.
- `wrap NAME`, `unwrap NAME`: base64 of the result, for base64 of the data key and of its purpose, a line each, on
  standard input. Exit code 3 says that this master key did not wrap that for this purpose; any other but 0 is a
  failure.

It sees `PATH`, `HOME` and the variables that a setting names, not what this process knows, such as passwords.
"""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path

from storage.errors import MasterKeyUnusableError
from storage.objects.envelope import KEY_BYTES

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_NOT_WRAPPED = 3


def key_command_environment(environment: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """Return what the program is to see of an environment: where programs and its home are, and what is named."""
    return {name: value for name, value in environment.items() if name in {"PATH", "HOME", *names}}


class CommandKeys:
    """A `KeyService` behind a program, called anew for each key.

    Args:
        program: Where it is.
        environment: The variables that it sees.
        timeout_seconds: How long it may take.
    """

    def __init__(self, program: Path, environment: Mapping[str, str], timeout_seconds: float = 30) -> None:
        self._program = program
        self._environment = dict(environment)
        self._timeout_seconds = timeout_seconds

    @cached_property
    def key_ids(self) -> tuple[str, ...]:
        """See `KeyService.key_ids`; asked once.

        Raises:
            MasterKeyUnusableError: The program fails, or names none.
        """
        names = tuple((self._call("keys") or "").split())
        if not names or not all(map(_NAME.fullmatch, names)):
            raise self._unusable("it names no keys, or none that could be a name")
        return names

    def wrap(self, data_key: bytes, purpose: bytes) -> bytes:
        """See `KeyService.wrap`; raises as `key_ids`."""
        answer = self._call("wrap", self.key_ids[0], data_key, purpose)
        if answer is None:
            raise self._unusable("it does not wrap with the key that it names first")
        wrapped = self._decoded(answer)
        if len(wrapped) < len(data_key):  # what is sealed with a key that was lost is lost
            raise self._unusable("what it wraps is less than the key")
        return wrapped

    def unwrap(self, key_id: str, wrapped: bytes, purpose: bytes) -> bytes | None:
        """See `KeyService.unwrap`; raises as `key_ids`."""
        if key_id not in self.key_ids:
            return None
        answer = self._call("unwrap", key_id, wrapped, purpose)
        if answer is None:
            return None
        data_key = self._decoded(answer)
        if len(data_key) != KEY_BYTES:
            raise self._unusable("what it unwraps is no key")
        return data_key

    def _call(self, act: str, *arguments: str | bytes) -> str | None:
        names = [argument for argument in arguments if isinstance(argument, str)]
        lines = [base64.b64encode(argument) + b"\n" for argument in arguments if isinstance(argument, bytes)]
        command = [str(self._program), act, *names]
        try:
            outcome = subprocess.run(
                command,
                input=b"".join(lines),
                env=self._environment,
                capture_output=True,
                check=False,
                timeout=self._timeout_seconds,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._unusable(f"it cannot be run ({type(error).__name__})") from error
        if outcome.returncode == _NOT_WRAPPED:
            return None
        if outcome.returncode != 0:
            raise self._unusable(f"'{act}' ended with exit code {outcome.returncode}")
        return outcome.stdout.decode("ascii", errors="replace").strip()

    def _decoded(self, answer: str) -> bytes:
        try:
            return base64.b64decode(answer, validate=True)
        except (binascii.Error, ValueError) as error:
            raise self._unusable("its answer is not base64") from error

    def _unusable(self, reason: str) -> MasterKeyUnusableError:
        return MasterKeyUnusableError(source=str(self._program), reason=reason)
