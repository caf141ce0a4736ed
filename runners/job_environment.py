"""The environment variables that a job may see: a list of those that it needs, so that no secret is among them."""

from __future__ import annotations

from collections.abc import Mapping

_INHERITED = frozenset(
    {
        "CUDA_VISIBLE_DEVICES",
        "HIP_VISIBLE_DEVICES",
        "HOME",
        "LANG",
        "LC_ALL",
        "LD_LIBRARY_PATH",
        "ONEAPI_DEVICE_SELECTOR",
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPYCACHEPREFIX",
        "ROCR_VISIBLE_DEVICES",
        "SYSTEMROOT",
        "TMPDIR",
        "TZ",
        "ZE_AFFINITY_MASK",
    }
)


def job_environment(inherited: Mapping[str, str], *, import_path: str, threads: int) -> dict[str, str]:
    """Return the whole environment of a job's process.

    Args:
        inherited: The worker's own environment.
        import_path: Folder that holds the platform's packages.
        threads: Of each numeric library.
    """
    kept = {name: value for name, value in inherited.items() if name in _INHERITED}
    return kept | {
        "PYTHONPATH": import_path,
        # The folder that the worker was started in is not a place to import code from.
        "PYTHONSAFEPATH": "1",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        # PyTorch's deterministic mode asks for this on CUDA.
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
