"""The job service: idempotent, watched, cancelled, deleted, recomputed; limits and errors."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import numpy as np
import pytest

from app.core.errors import BadParameter, Busy, Cancelled, NotFound
from app.core.schemas import Job
from backend.jobs.client import Client

UNKNOWN = "f" * 64


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def test_result_array_and_file(backend):
    key, row = backend.submit("toy_echo", name="a")
    assert (row.state, row.fresh) == ("queued", True)
    row = backend.finished(key)
    assert (row.state, row.attempts, row.results, row.error) == ("done", 1, 1, None)
    assert backend.run(backend.jobs.result(key))["echo"] == "a"
    path = backend.run(backend.jobs.array_path(key, "values"))
    np.testing.assert_array_equal(np.load(path), np.arange(6, dtype=np.float32).reshape(2, 3))
    assert backend.run(backend.jobs.file_path(key, "note.txt")).read_bytes() == b"hello"
    assert backend.run(backend.jobs.array_path(key, "nothing")) is None
    assert not (backend.settings.data / "spool" / key).exists()


def test_row_becomes_the_wire_schema(backend):
    key, _ = backend.submit("toy_echo")
    row = backend.finished(key)
    with pytest.raises(ValueError, match="kind"):
        row.as_job()  # toys are no kind the API knows
    assert {**row.fields(), "kind": "explanation"}.keys() <= Job.model_fields.keys()
    Job(**{**row.fields(), "kind": "explanation"})


def test_one_request_a_thousand_times_at_once_is_one_computation(backend, tmp_path):
    log = tmp_path / "log"
    payload = {"name": "x", "log": str(log), "nap": 0.05}

    async def flood():
        return await asyncio.gather(
            *(
                backend.jobs.submit("toy_echo", payload, key="same", client=Client(f"c{n}"))
                for n in range(1000)
            )
        )

    rows = backend.run(flood())
    assert sum(row.fresh for row in rows) == 1
    assert {row.key for row in rows} == {"same"}
    assert backend.finished("same").results == 1
    backend.submit("toy_echo", key="same", **payload)
    assert lines(log) == ["x"]


def test_unknown_things_are_not_found(backend):
    for call in (backend.jobs.get, backend.jobs.result, backend.jobs.cancel, backend.jobs.delete):
        with pytest.raises(NotFound):
            backend.run(call(UNKNOWN))
    with pytest.raises(NotFound):
        backend.submit("no_such_kind")


def test_a_failed_job_says_why_and_runs_anew_when_asked_again(backend):
    key, _ = backend.submit("toy_wrong")
    row = backend.finished(key)
    assert (row.state, row.error["code"], row.error["field"], row.error["status"]) == (
        "failed",
        "odd",
        "params.n",
        422,
    )
    with pytest.raises(BadParameter, match="even") as caught:
        backend.run(backend.jobs.result(key))
    assert caught.value.instance_code == "odd"
    _, again = backend.submit("toy_wrong", key=key)
    assert (again.state, again.fresh, again.error) == ("queued", True, None)
    assert backend.finished(key).state == "failed"


def test_waiting_returns_when_time_is_up(backend):
    key, _ = backend.submit("toy_echo", steps=100, nap=0.05)
    assert backend.run(backend.jobs.wait(key, 0.0)).active
    assert backend.run(backend.jobs.wait(key, 0.05)).active
    backend.run(backend.jobs.cancel(key))
    backend.finished(key)


def test_watching_shows_progress_to_the_end(backend):
    key, _ = backend.submit("toy_echo", steps=20, nap=0.05)

    async def follow():
        return [row async for row in backend.jobs.watch(key)]

    rows = backend.run(follow())
    assert rows[-1].state == "done"
    seen = [row.progress.done for row in rows if row.state == "running"]
    assert len(set(seen)) > 2
    assert seen == sorted(seen)
    assert len({(row.state, row.progress.model_dump_json()) for row in rows}) == len(rows)


def test_a_partial_map_lies_under_values_while_running(backend):
    key, _ = backend.submit("toy_echo", steps=100, nap=0.05)
    path = backend.until(lambda: backend.jobs.array_path(key, "values"))
    assert np.load(path).shape == (2, 3)
    assert backend.run(backend.jobs.array_path(key, "other")) is None
    backend.run(backend.jobs.cancel(key))
    backend.finished(key)


def test_cancelling_a_running_job(backend):
    key, _ = backend.submit("toy_echo", steps=1000, nap=0.05)
    backend.until(lambda: running(backend, key))
    backend.run(backend.jobs.cancel(key))
    row = backend.finished(key)
    assert (row.state, row.error["code"]) == ("cancelled", "cancelled")
    with pytest.raises(Cancelled):
        backend.run(backend.jobs.result(key))
    backend.run(backend.jobs.cancel(key))
    _, again = backend.submit("toy_echo", key=key)
    assert again.fresh
    assert backend.finished(key).state == "done"


async def running(backend, key):
    return (await backend.jobs.get(key)).state == "running"


def test_cancelling_a_waiting_job_never_starts_it(backend, tmp_path):
    busy = [backend.submit("toy_echo", steps=20, nap=0.05)[0] for _ in range(2)]
    key, _ = backend.submit("toy_echo", log=str(tmp_path / "log"), name="x")
    assert backend.run(backend.jobs.cancel(key)).state == "cancelled"
    for other in busy:
        assert backend.finished(other).state == "done"
    assert lines(tmp_path / "log") == []


def test_cancelling_what_is_done_changes_nothing(backend):
    key, _ = backend.submit("toy_echo")
    backend.finished(key)
    assert backend.run(backend.jobs.cancel(key)).state == "done"


def test_deleting_leaves_no_byte(backend):
    key, _ = backend.submit("toy_echo", plus=12345)
    backend.finished(key)
    path = backend.run(backend.jobs.array_path(key, "values"))
    backend.run(backend.jobs.delete(key))
    assert not path.exists()
    with pytest.raises(NotFound):
        backend.run(backend.jobs.get(key))


def test_deleting_a_running_job_stops_it(backend):
    key, _ = backend.submit("toy_echo", steps=1000, nap=0.05, plus=99)
    backend.until(lambda: running(backend, key))
    backend.run(backend.jobs.delete(key))
    with pytest.raises(NotFound):
        backend.run(backend.jobs.get(key))
    assert not (backend.settings.data / "spool" / key).exists()


@pytest.mark.parametrize("harm", ["flip", "remove"])
@pytest.mark.parametrize("by", ["reading", "asking again"])
def test_a_damaged_result_is_computed_again(backend, tmp_path, harm, by):
    payload = {"name": f"{harm}{by}", "plus": len(harm + by), "log": str(tmp_path / "log")}
    key, _ = backend.submit("toy_echo", **payload)
    backend.finished(key)
    path = backend.run(backend.jobs.array_path(key, "values"))
    before = path.read_bytes()
    if harm == "flip":
        path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    else:
        path.unlink()
    if by == "reading":
        assert backend.run(backend.jobs.array_path(key, "values")) is None
    else:
        assert backend.submit("toy_echo", key=key, **payload)[1].fresh
    row = backend.finished(key)
    assert (row.state, row.results) == ("done", 1)
    assert backend.run(backend.jobs.array_path(key, "values")).read_bytes() == before
    assert len(lines(tmp_path / "log")) == 2


def test_too_many_jobs_of_one_client_are_refused_in_plain_words(backend):
    busy = [backend.submit("toy_echo", steps=6000, nap=0.05)[0] for _ in range(2)]
    backend.until(lambda: running(backend, busy[1]))
    keys = [backend.submit("toy_echo", client="greedy")[0] for _ in range(20)]
    with pytest.raises(Busy, match="20 jobs waiting"):
        backend.submit("toy_echo", client="greedy")
    assert backend.submit("toy_echo", client="greedy", key=keys[-1])[1].fresh is False  # known: no new work
    others = [backend.submit("toy_echo", client=f"other{n}")[0] for n in range(30)]
    with pytest.raises(Busy, match="server"):
        backend.submit("toy_echo", client="late")
    own, _ = backend.submit("toy_echo", client="")
    for key in busy:
        backend.run(backend.jobs.cancel(key))
    for key in (*keys, *others, own):
        assert backend.finished(key).state == "done"


def test_listing(backend):
    key, _ = backend.submit("toy_echo", client="lister")
    backend.finished(key)
    second, _ = backend.submit("toy_wrong", client="lister")
    backend.finished(second)
    assert [row.key for row in backend.run(backend.jobs.list("lister"))] == [second, key]
    assert [row.key for row in backend.run(backend.jobs.list("lister", ("done",)))] == [key]
    assert len(backend.run(backend.jobs.list(limit=1))) == 1


def test_a_result_survives_a_database_that_fails_for_a_moment(backend, monkeypatch):
    queue, faults = backend.jobs.queue, [RuntimeError("locked"), RuntimeError("locked")]
    finish = queue.finish

    def sometimes(*args):
        if faults:
            raise faults.pop()
        return finish(*args)

    monkeypatch.setattr(queue, "finish", sometimes)
    key, _ = backend.submit("toy_echo")
    assert backend.finished(key).state == "done"
    assert faults == []


def test_the_dispatcher_survives_a_database_that_fails_for_a_moment(backend, monkeypatch):
    queue, faults = backend.jobs.queue, [RuntimeError("locked")]
    claim = queue.claim

    def sometimes(*args):
        if faults:
            raise faults.pop()
        return claim(*args)

    monkeypatch.setattr(queue, "claim", sometimes)
    key, _ = backend.submit("toy_echo")
    assert backend.finished(key).state == "done"
    assert faults == []


def test_a_stop_that_comes_between_the_claim_and_the_start_is_heeded(backend, monkeypatch):
    """The worker's folder is made anew after it, and the engine does not know the job yet."""
    claim, lines, stopped = backend.jobs.queue.claim, [], []

    def claimed_and_stopped(line):
        lines.append(line)
        claimed = claim(line)
        if claimed is not None and claimed[0].attempts == 1 and not stopped:
            stopped.append(claimed[0].key)
            stopping = asyncio.run_coroutine_threadsafe(backend.jobs.cancel(claimed[0].key), backend.loop)
            stopping.result(20)
        return claimed

    async def no_earlier_claim_is_under_way():
        return len(lines) > 1

    monkeypatch.setattr(backend.jobs.queue, "claim", claimed_and_stopped)
    backend.until(no_earlier_claim_is_under_way)
    key, _ = backend.submit("toy_echo", steps=600, nap=0.1)
    row = backend.finished(key, 20)
    assert (row.state, row.error["code"]) == ("cancelled", "cancelled")
    monkeypatch.undo()
    again, row = backend.submit("toy_echo", key=key)
    assert row.fresh
    assert backend.finished(again).state == "done"


def test_a_stop_is_for_one_run_of_a_job(backend):
    """A stop that comes when the run has just ended does not meet the next one."""
    key, _ = backend.submit("toy_echo", steps=600, nap=0.1)
    backend.until(lambda: running(backend, key))
    late = backend.run(backend.jobs.get(key))
    backend.run(backend.jobs.cancel(key))
    assert backend.finished(key).state == "cancelled"
    backend.jobs.dispatcher.stop_job(late)
    backend.submit("toy_echo", key=key)
    assert backend.finished(key).state == "done"


def test_a_job_is_stopped_that_the_engine_has_not_begun(backend, monkeypatch):
    """Its workers are still starting: the future itself is cancelled."""
    future = Future()
    monkeypatch.setattr(backend.jobs.engine, "submit", lambda *_: future)
    monkeypatch.setattr(backend.jobs.engine, "cancel", lambda _: future.cancel())
    key, _ = backend.submit("toy_echo")
    backend.until(lambda: running(backend, key))
    backend.run(backend.jobs.cancel(key))
    assert backend.finished(key, 6).state == "cancelled"


def test_a_job_that_is_started_again_at_once_keeps_its_folder(backend, monkeypatch):
    """The earlier run is being tidied up when the next one is claimed."""
    fail, claim, claimed_again = backend.jobs.queue.fail, backend.jobs.queue.claim, threading.Event()
    key, _ = backend.submit("toy_echo", steps=600, nap=0.1)
    backend.until(lambda: running(backend, key))

    def slow_answer(*args):
        ended = fail(*args)
        claimed_again.wait(20)
        return ended

    def claimed(line):
        taken = claim(line)
        if taken is not None:
            claimed_again.set()
        return taken

    monkeypatch.setattr(backend.jobs.queue, "fail", slow_answer)
    monkeypatch.setattr(backend.jobs.queue, "claim", claimed)
    backend.run(backend.jobs.cancel(key))
    assert backend.finished(key).state == "cancelled"
    backend.submit("toy_echo", key=key, steps=5, nap=0.1)
    assert backend.finished(key).state == "done"
