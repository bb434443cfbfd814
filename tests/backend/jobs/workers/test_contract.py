"""One contract, every engine: results, errors, killed workers, cancellation, time-outs, memory, progress."""

from __future__ import annotations

import os
import time
import uuid
from concurrent.futures import CancelledError, Future

import numpy as np
import psutil
import pytest

from app.core.errors import BadParameter, Cancelled, JobFailed, JobTimeout, OutOfMemory, WorkerKilled
from backend.jobs.workers import Spool, Stored, WorkerConfig
from backend.jobs.workers.cluster import DaskEngine
from backend.jobs.workers.pool import LocalEngine
from backend.store.blobs import Blobs

PLUGINS = ("tests.backend.toys",)
WAIT = 60


def until(condition, seconds=WAIT):
    """Polls; the seconds are a safety net, not an expectation."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen")
        time.sleep(0.02)
    return found


class Rig:
    """An engine with its folder, and a way to run a task as the job service does."""

    def __init__(self, engine, folder):
        self.engine, self.folder = engine, folder
        self.spool = Spool(folder / "spool")

    def submit(self, task, lane="interactive", job=None, **payload) -> tuple[str, Future[Stored]]:
        job = job or uuid.uuid4().hex
        self.spool.open(job)
        return job, self.engine.submit(task, payload, job, lane)

    def made(self, job) -> Blobs:
        """The blobs of a result, until the job service takes them over."""
        return Blobs(self.spool.made(job))

    def run(self, task, lane="interactive", **payload) -> Stored:
        return self.submit(task, lane, **payload)[1].result(WAIT)


def config(folder, **more) -> WorkerConfig:
    return WorkerConfig(
        data=folder, plugins=PLUGINS, preload=False, job_seconds=6.0, decode_seconds=2.0, **more
    )


@pytest.fixture(scope="module", params=["local", "dask"])
def rig(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    settings = config(folder, job_bytes=2 * 1024**3, environment={"EVIDENT_LIMITS": '{"audio_seconds": 77}'})
    local = request.param == "local"
    engine = (
        LocalEngine(settings, workers=2)
        if local
        else DaskEngine(settings, request.getfixturevalue("scheduler"))
    )
    engine.start()
    until(engine.ready)
    yield Rig(engine, folder)
    engine.stop()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    import dask
    from distributed import LocalCluster

    folder = tmp_path_factory.mktemp("dask-workers")
    with (
        dask.config.set({"distributed.worker.daemon": True, "distributed.admin.log-length": 0}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            local_directory=str(folder),
            silence_logs=60,
        ) as cluster,
    ):
        yield cluster.scheduler_address


def test_result_arrays_and_files_come_back(rig):
    job, future = rig.submit("toy_echo", name="a", plus=1)
    stored = future.result(WAIT)
    assert stored.result["echo"] == "a"
    np.testing.assert_array_equal(
        rig.made(job).array(stored.blobs["values"]), np.arange(6, dtype=np.float32).reshape(2, 3) + 1
    )
    assert rig.made(job).get(stored.blobs["note.txt"]) == b"hello"


def test_work_is_done_in_other_processes_and_decoding_apart(rig):
    compute, decode = rig.run("toy_echo").result["pid"], rig.run("toy_decode", "decode").result["pid"]
    assert len({compute, decode, os.getpid()}) == 3


def test_our_errors_keep_class_sentence_code_and_field(rig):
    with pytest.raises(BadParameter) as caught:
        rig.run("toy_wrong")
    assert (caught.value.detail, caught.value.instance_code, caught.value.field) == (
        "The number must be even.",
        "odd",
        "params.n",
    )


def test_a_bug_is_told_without_its_message(rig):
    with pytest.raises(JobFailed) as caught:
        rig.run("toy_wrong", bug=True)
    assert caught.value.instance_code == "job_failed"
    assert "CANARY" not in str(caught.value)


def test_unknown_task_is_an_error_of_ours(rig):
    from app.core.errors import NotFound

    with pytest.raises(NotFound):
        rig.run("toy_nothing")


def test_workers_are_settled(rig):
    seen = rig.run("toy_environment").result
    assert seen["env"]["OMP_WAIT_POLICY"] == "PASSIVE"
    assert seen["env"]["OMP_NUM_THREADS"] == "1"
    assert seen["env"]["NUMBA_CACHE_DIR"].startswith(str(rig.folder))
    assert seen["audio_seconds"] == 77
    assert seen["threads"] in (None, 1)


def test_decoding_does_not_import_torch(rig):
    assert rig.run("toy_environment_decode", "decode").result["torch"] is False


def test_a_killed_worker_is_replaced_and_its_task_started_again(rig, tmp_path):
    count = tmp_path / "count"
    job, future = rig.submit("toy_suicide", count=str(count), times=2)
    assert future.result(WAIT).result == {"survived": True}
    assert count.stat().st_size == rig.spool.starts(job) == 3


def test_a_task_that_kills_every_worker_is_given_up(rig, tmp_path):
    count = tmp_path / "count"
    with pytest.raises(WorkerKilled):
        rig.run("toy_suicide", count=str(count), times=100)
    assert count.stat().st_size == 3
    assert rig.run("toy_echo", name="after").result["echo"] == "after"


def test_an_idle_worker_may_be_killed(rig):
    pid = rig.run("toy_echo").result["pid"]
    until(rig.engine.ready)
    os.kill(pid, 9)
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert [rig.run("toy_echo", name=n).result["echo"] for n in range(4)] == [0, 1, 2, 3]


def test_cancelling_asks_first(rig, tmp_path):
    """The task stops at its next report and the worker lives on."""
    pid = tmp_path / "pid"
    job, future = rig.submit("toy_echo", steps=2000, nap=0.05, pid=str(pid))
    until(lambda: rig.spool.progress(job).done > 0)
    rig.engine.cancel(job)
    with pytest.raises(Cancelled):
        future.result(WAIT)
    assert psutil.pid_exists(int(pid.read_text()))


def test_cancelling_kills_what_does_not_listen(rig, tmp_path):
    pid = tmp_path / "pid"
    job, future = rig.submit("toy_stubborn", pid=str(pid))
    until(lambda: pid.exists() and pid.read_text())
    rig.engine.cancel(job)
    with pytest.raises(Cancelled):
        future.result(WAIT)
    until(lambda: not psutil.pid_exists(int(pid.read_text())))
    assert rig.run("toy_echo", name="after").result["echo"] == "after"


def test_a_waiting_task_is_cancelled_without_being_started(rig, tmp_path):
    naps = [rig.submit("toy_echo", steps=20, nap=0.05) for _ in range(3)]
    job, future = rig.submit("toy_suicide", count=str(tmp_path / "count"), times=0)
    rig.engine.cancel(job)
    with pytest.raises((Cancelled, CancelledError)):
        future.result(WAIT)
    for _, nap in naps:
        nap.result(WAIT)
    assert not (tmp_path / "count").exists()


def test_time_out_kills(rig, tmp_path):
    pid = tmp_path / "pid"
    with pytest.raises(JobTimeout, match="6 seconds"):
        rig.run("toy_stubborn", pid=str(pid))
    until(lambda: not psutil.pid_exists(int(pid.read_text())))
    assert rig.run("toy_echo", name="after").result["echo"] == "after"


def test_decoding_has_its_own_time_limit(rig, tmp_path):
    with pytest.raises(JobTimeout, match="2 seconds"):
        rig.run("toy_spin", "decode", pid=str(tmp_path / "pid"))
    assert rig.run("toy_decode", "decode", name="after").result["echo"] == "after"


@pytest.mark.parametrize(("task", "lane"), [("toy_greedy", "interactive"), ("toy_greedy_decode", "decode")])
def test_memory_limit_is_a_clean_error_and_the_worker_lives(rig, task, lane):
    with pytest.raises(OutOfMemory):
        rig.run(task, lane, mib=8 * 1024)
    assert rig.run(task, lane, mib=16).result["sum"] == 16


def test_progress_and_partial_maps(rig):
    job, future = rig.submit("toy_echo", steps=24, nap=0.05)
    first = until(lambda: (p := rig.spool.progress(job)).partial and p)
    assert (first.total, first.unit) == (24, "naps")
    assert first.remaining is None or first.remaining >= 0
    partial = np.load(rig.spool.partial(job))
    assert partial.shape == (2, 3)
    assert partial.dtype == np.float32
    later = until(lambda: (p := rig.spool.progress(job)).partial > first.partial and p)
    assert later.done > first.done
    assert later.seconds > first.seconds
    future.result(WAIT)


def test_many_at_once(rig):
    futures = [rig.submit("toy_echo", name=n)[1] for n in range(40)]
    assert [future.result(WAIT).result["echo"] for future in futures] == list(range(40))


def test_a_worker_with_nothing_to_do_gives_its_memory_back(rig):
    if isinstance(rig.engine, DaskEngine):
        pytest.skip("A cluster's tasks run in a thread, from which large memory goes back at once.")
    seen = rig.run("toy_passing", mib=128).result
    worker = psutil.Process(seen["pid"])
    until(lambda: worker.memory_info().rss < seen["resident"] - 100 * 2**20)
