from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from trained_package import TrainedPackage

from domain_sdk.json_values import JsonObject
from runners.compute import ComputeEnding, ComputeJob, ComputeOutcome, evaluation_job, training_job
from runners.endings import ExitCode, FailureKind, JobFailure
from runners.errors import ComputeProfileUnavailableError, JobResultMissingError
from runners.results import EvaluationResult, TrainingResult, read_result
from runners.specification import EvaluationSpecification, TrainingSpecification
from runners.subprocess_compute import SubprocessCompute
from storage.models.enums import ComputeProfile

_SOURCE_ROOT = Path(__file__).parents[2]
_PATIENCE_SECONDS = 60

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")


@pytest.fixture
def compute() -> SubprocessCompute:
    return SubprocessCompute(os.environ, time.monotonic)


def behaving(what: str, folder: Path, grace_seconds: float = 10.0) -> ComputeJob:
    return ComputeJob(
        module="tests.unit.compute_jobs.behave",
        specification={"do": what},
        work_directory=folder,
        grace_seconds=grace_seconds,
    )


def never() -> bool:
    return False


def has_ended(process_descriptor: int) -> bool:
    """Wait for the process behind a pidfd to end."""
    return bool(select.select([process_descriptor], [], [], _PATIENCE_SECONDS)[0])


def test_a_training_job_gives_the_same_weights_as_training_in_this_process(
    compute: SubprocessCompute, trained_digits: TrainedPackage, tmp_path: Path
) -> None:
    lines: list[JsonObject] = []
    specification = trained_digits.specification.model_copy(update={"output_dir": tmp_path / "output"})

    outcome = compute.run(training_job(specification, tmp_path / "work"), lines.append, never)

    assert (outcome.ending, outcome.exit_code, outcome.failure) == (ComputeEnding.SUCCEEDED, 0, None)
    assert [line["epoch"] for line in lines] == list(range(1, specification.epochs + 1))
    result = read_result(TrainingResult, tmp_path / "output")
    assert result.weights_sha256 == trained_digits.result.weights_sha256
    assert lines[-1] == result.last_epoch.model_dump(mode="json")


def test_a_job_imports_nothing_from_the_folder_in_which_the_platform_was_started(
    compute: SubprocessCompute, trained_digits: TrainedPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("runners.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('it was imported')")
    monkeypatch.chdir(tmp_path)
    specification = trained_digits.specification.model_copy(update={"output_dir": tmp_path / "output", "epochs": 1})

    outcome = compute.run(training_job(specification, tmp_path / "work"), lambda _line: None, never)

    assert outcome.ending is ComputeEnding.SUCCEEDED


def test_an_evaluation_job_leaves_a_result_that_names_the_weights_it_measured(
    compute: SubprocessCompute, trained_digits: TrainedPackage, tmp_path: Path
) -> None:
    specification = EvaluationSpecification(
        dataset_path=trained_digits.specification.dataset_path,
        package_dir=trained_digits.package_dir,
        output_dir=tmp_path / "output",
    )

    outcome = compute.run(evaluation_job(specification, tmp_path / "work"), lambda _line: None, never)

    result = read_result(EvaluationResult, tmp_path / "output")
    assert outcome.ending is ComputeEnding.SUCCEEDED
    assert result.weights_sha256 == trained_digits.result.weights_sha256
    assert result.accuracy > 0.9 > result.baseline_accuracy


def test_a_diverging_training_ends_permanently_with_its_own_code_and_leaves_no_result(
    compute: SubprocessCompute, digits_path: Path, tmp_path: Path
) -> None:
    specification = TrainingSpecification(
        dataset_path=digits_path, target="digit", output_dir=tmp_path / "output", learning_rate=1e30
    )

    outcome = compute.run(training_job(specification, tmp_path / "work"), lambda _line: None, never)

    assert (outcome.ending, outcome.exit_code) == (ComputeEnding.FAILED_PERMANENTLY, ExitCode.DIVERGED)
    assert outcome.failure == JobFailure(
        code="TRAINING_DIVERGED",
        message="The loss became nan in epoch 1.",
        hint="Lower the learning rate, or look for extreme values in the dataset's statistics.",
        kind=FailureKind.PERMANENT,
    )
    assert list((tmp_path / "output").rglob("*.json")) == []
    with pytest.raises(JobResultMissingError):
        read_result(TrainingResult, tmp_path / "output")


def test_a_training_that_is_stopped_ends_as_preempted(
    compute: SubprocessCompute, digits_path: Path, tmp_path: Path
) -> None:
    specification = TrainingSpecification(
        dataset_path=digits_path, target="digit", output_dir=tmp_path / "output", epochs=100_000
    )
    lines: list[JsonObject] = []

    outcome = compute.run(training_job(specification, tmp_path / "work"), lines.append, lambda: len(lines) > 0)

    assert (outcome.ending, outcome.exit_code) == (ComputeEnding.PREEMPTED, ExitCode.PREEMPTED)


def test_a_job_sees_no_secret_no_stdin_and_no_terminal_of_the_worker(tmp_path: Path) -> None:
    secrets = {"LEARNING_DATABASE_URL": "postgresql://secret", "AWS_SECRET_ACCESS_KEY": "secret", "LANG": "C"}
    lines: list[JsonObject] = []

    SubprocessCompute(secrets, time.monotonic).run(behaving("show_surroundings", tmp_path), lines.append, never)

    [seen] = lines
    environment = seen.pop("environment")
    assert isinstance(environment, dict)
    assert environment.keys() - {"LC_CTYPE"} == {
        "CUBLAS_WORKSPACE_CONFIG",
        "LANG",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PYTHONHASHSEED",
        "PYTHONPATH",
        "PYTHONSAFEPATH",
    }
    assert seen == {"stdin": "", "leads_its_session": True}


def test_a_job_that_refuses_to_stop_is_killed_after_its_grace(compute: SubprocessCompute, tmp_path: Path) -> None:
    lines: list[JsonObject] = []

    outcome = compute.run(behaving("refuse_to_stop", tmp_path, grace_seconds=0), lines.append, lambda: len(lines) > 0)

    assert (outcome.ending, outcome.exit_code) == (ComputeEnding.PREEMPTED, -signal.SIGKILL)


def test_a_job_that_crashes_is_reported_as_killed_with_the_place_in_its_log(
    compute: SubprocessCompute, tmp_path: Path
) -> None:
    outcome = compute.run(behaving("crash", tmp_path), lambda _line: None, never)

    assert (outcome.ending, outcome.exit_code, outcome.failure) == (ComputeEnding.KILLED, -signal.SIGSEGV, None)
    assert "_crash" in outcome.log_tail


def test_only_json_objects_on_stdout_are_passed_on_and_stderr_is_kept(
    compute: SubprocessCompute, tmp_path: Path
) -> None:
    lines: list[JsonObject] = []

    outcome = compute.run(behaving("write_noise", tmp_path), lines.append, never)

    assert lines == [{"kind": "sense"}]
    assert outcome.log_tail == "last words\n"
    assert outcome.log_path.read_text() == "last words\n"


def test_a_last_line_without_line_end_is_passed_on(compute: SubprocessCompute, tmp_path: Path) -> None:
    lines: list[JsonObject] = []

    compute.run(behaving("end_without_line_end", tmp_path), lines.append, never)

    assert lines == [{"kind": "last"}]


@linux_only
def test_an_error_of_the_listener_ends_the_job_and_passes_through(compute: SubprocessCompute, tmp_path: Path) -> None:
    descriptors: list[int] = []

    def lose_the_lease(line: JsonObject) -> None:
        descriptors.append(os.pidfd_open(int(str(line["process_id"]))))
        raise LookupError

    with pytest.raises(LookupError):
        compute.run(behaving("wait_to_be_stopped", tmp_path), lose_the_lease, never)

    assert has_ended(descriptors[0])
    os.close(descriptors[0])


@linux_only
def test_what_a_job_leaves_behind_ends_with_it(compute: SubprocessCompute, tmp_path: Path) -> None:
    descriptors: list[int] = []

    outcome = compute.run(
        behaving("leave_a_child_behind", tmp_path),
        lambda line: descriptors.append(os.pidfd_open(int(str(line["process_id"])))),
        never,
    )

    assert outcome.ending is ComputeEnding.SUCCEEDED
    assert has_ended(descriptors[0])
    os.close(descriptors[0])


@linux_only
def test_a_worker_killed_with_sigkill_leaves_no_job_behind(tmp_path: Path) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(_SOURCE_ROOT)},
        stdout=subprocess.PIPE,
    )
    with worker:
        assert worker.stdout is not None
        descriptor = os.pidfd_open(int(worker.stdout.readline()))
        worker.kill()

    assert has_ended(descriptor)
    os.close(descriptor)


_WORKER = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from runners.compute import ComputeJob
    from runners.subprocess_compute import SubprocessCompute

    job = ComputeJob(
        module="tests.unit.compute_jobs.behave",
        specification={"do": "refuse_to_stop"},
        work_directory=Path(sys.argv[1]),
    )
    SubprocessCompute(os.environ, time.monotonic).run(
        job, lambda line: print(line["process_id"], flush=True), lambda: False
    )
    """
)


def test_a_profile_that_the_machine_lacks_is_refused_before_anything_starts(
    compute: SubprocessCompute, tmp_path: Path
) -> None:
    available = compute.available_profiles()
    missing = next(profile for profile in ComputeProfile if profile not in available)
    job = behaving("write_noise", tmp_path / "work").model_copy(update={"profile": missing})

    with pytest.raises(ComputeProfileUnavailableError) as caught:
        compute.run(job, lambda _line: None, never)

    assert (caught.value.profile, caught.value.available) == (missing, available)
    assert ComputeProfile.CPU in available
    assert not (tmp_path / "work").exists()


def test_starting_jobs_does_not_load_pytorch_in_the_worker() -> None:
    program = "import sys, runners.subprocess_compute, serving.errors; print('torch' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(_SOURCE_ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )

    assert answer.stdout == "False\n"


def test_an_older_error_document_is_not_taken_for_this_run_s(compute: SubprocessCompute, tmp_path: Path) -> None:
    older = JobFailure(code="OLD", message="old", hint="old", kind=FailureKind.PERMANENT)
    (tmp_path / "error.json").write_text(older.model_dump_json())

    outcome: ComputeOutcome = compute.run(behaving("write_noise", tmp_path), lambda _line: None, never)

    assert outcome.failure is None
