"""Limits of a process that reads what somebody else made: it dies of them, and its parent goes on."""

from __future__ import annotations

import resource


def confine(memory_bytes: int, *, cpu_seconds: int, file_bytes: int) -> None:
    """Bound, for good, what this process may use: memory, processor time and each file that it writes."""
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    for which, limit in limits.items():
        _soft, hard = resource.getrlimit(which)
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(which, (allowed, allowed))
