"""Folders of jobs do not pile up, and those of living processes are left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from handlers.workplaces import sweep_workplaces, workplace


def test_what_a_killed_process_left_is_swept_and_what_is_in_use_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left = tmp_path / f"ami-learning-{int(gone.stdout)}-abc"
    (left / "dataset").mkdir(parents=True)
    foreign = tmp_path / "ami-learning-notes"
    foreign.mkdir()

    with workplace() as used:
        sweep_workplaces()

        assert (left.exists(), used.exists(), foreign.exists()) == (False, True, True)
        assert used.name.startswith(f"ami-learning-{os.getpid()}-")
    assert not used.exists()
