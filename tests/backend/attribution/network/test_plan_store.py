"""What was measured once holds for every process of a machine."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import pytest
import torch

import models
from backend.attribution.network import passes as engine
from backend.attribution.network import plan_store, trials
from backend.attribution.network.cache import architecture
from backend.attribution.network.passes import Passes
from tests.tiny import build


@pytest.fixture
def folder(tmp_path):
    plan_store.keep_in(tmp_path / "plans")
    yield tmp_path / "plans"
    plan_store.keep_in(None)


def test_without_a_folder_nothing_is_measured():
    def measure():
        raise AssertionError("measured")

    assert plan_store.measured("a", "forward", measure) == {}


def test_a_measurement_is_made_once_and_left_whole(folder):
    answers = [plan_store.measured("a", "forward", lambda i=i: {"x": float(i)}) for i in (1, 2)]
    assert answers == [{"x": 1.0}] * 2
    assert plan_store.measured("b", "forward", lambda: {"x": 3.0}) == {"x": 3.0}
    assert plan_store.measured("a", "gradient", lambda: {"x": 4.0}) == {"x": 4.0}
    assert {path.suffix for path in folder.iterdir()} == {".json"}
    assert len(list(folder.iterdir())) == 3


def test_of_several_that_measure_at_once_one_answer_holds_for_all(folder):
    together, answers = threading.Barrier(8), []

    def work(number):
        def measure():
            together.wait(10)
            return {"x": float(number)}

        answers.append(plan_store.measured("a", "forward", measure))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(answer == answers[0] for answer in answers)
    assert plan_store.measured("a", "forward", dict) == answers[0]


@pytest.mark.parametrize(
    "damage", ["", "{", "[1]", "{}", '{"x": "1"}', '{"x": NaN}', '{"x": -1}', '{"x": true}', "\0" * 20]
)
def test_a_damaged_file_is_measured_anew(folder, damage):
    plan_store.measured("a", "forward", lambda: {"x": 1.0})
    (path,) = folder.iterdir()
    path.write_text(damage)
    assert plan_store.measured("a", "forward", lambda: {"x": 2.0}) == {"x": 2.0}
    assert json.loads(path.read_text()) == {"x": 2.0}
    assert list(folder.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_costs_only_the_memory(tmp_path):
    (tmp_path / "file").write_text("")
    plan_store.keep_in(tmp_path / "file" / "plans")
    try:
        assert plan_store.measured("a", "forward", lambda: {"x": 1.0}) == {"x": 1.0}
    finally:
        plan_store.keep_in(None)


def test_threads_and_architectures_have_measurements_of_their_own(folder):
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            plan_store.measured("a", "forward", lambda: {"x": 1.0})
    finally:
        torch.set_num_threads(threads)
    assert len(list(folder.iterdir())) == 2
    assert (
        architecture(build("plain"))
        == architecture(build("plain", seed=1))
        != architecture(build("residual"))
    )


@pytest.mark.usefixtures("folder")
def test_no_clock_is_asked_for_what_a_first_picture_waits_for(monkeypatch):
    monkeypatch.setattr(engine, "has_bfloat16", lambda device: True)
    monkeypatch.setattr(engine, "seconds", lambda work: pytest.fail("measured"))
    monkeypatch.setattr(engine, "time", None)
    passes = Passes(models.load("shapes"))
    for kind in ("forward", "gradient"):
        assert "bfloat16" in passes.plan(kind).description


def test_what_is_stored_decides_in_every_process(folder, monkeypatch):
    """The clock of this process is asked at the first choice alone."""
    if not engine.has_bfloat16(torch.device("cpu")):
        pytest.skip("this processor has no bfloat16 arithmetic")
    for eager in (2.0, 0.5):
        for path in folder.glob("*"):
            path.unlink()
        answer = {"eager": eager, "fused": 1.0, "prepare": 0.0}
        monkeypatch.setattr(Passes, "_fused_seconds", lambda self, plan, answer=answer: answer)
        assert (Passes(models.load("shapes")).fused(1000) is not None) is (eager > 1)
        monkeypatch.setattr(Passes, "_fused_seconds", lambda *_: pytest.fail("measured again"))
        assert (Passes(models.load("shapes")).fused(1000) is not None) is (eager > 1)


def test_what_other_programs_take_is_not_counted(monkeypatch):
    """The clock on the wall runs a hundred seconds ahead in each run of the second; its processor time is half."""
    clock = SimpleNamespace(wall=0.0, processor=0.0)

    def run(wall, processor):
        clock.wall, clock.processor = clock.wall + wall, clock.processor + processor

    fake = SimpleNamespace(process_time=lambda: clock.processor, perf_counter=lambda: clock.wall)
    monkeypatch.setattr(trials, "time", fake)
    measured = trials.seconds({"alone": lambda: run(2.0, 2.0), "beside others": lambda: run(100.0, 1.0)})
    assert measured == {"alone": 2.0, "beside others": 1.0}


def test_a_fused_network_is_used_where_it_pays(folder, monkeypatch):
    if not engine.has_bfloat16(torch.device("cpu")):
        pytest.skip("this processor has no bfloat16 arithmetic")
    model = models.load("shapes")
    for eager, fused, prepare, used in (
        (2.0, 1.0, 10.0, True),
        (1.05, 1.0, 0.0, False),
        (2.0, 1.0, 10_000.0, False),
        (1.0, 2.0, 0.0, False),
    ):
        answer = {"eager": eager, "fused": fused, "prepare": prepare}
        for path in folder.glob("*"):
            path.unlink()
        monkeypatch.setattr(Passes, "_fused_seconds", lambda self, plan, answer=answer: answer)
        assert (Passes(model).fused(1000) is not None) is used


def test_memory_is_handed_back_around_the_preparation_of_a_fused_network(monkeypatch):
    """A ResNet-50 kept half a gigabyte that nothing used."""
    happened = []
    monkeypatch.setattr(engine, "give_back", lambda: happened.append("given back"))
    monkeypatch.setattr(Passes, "_fuse", lambda self, eager: happened.append("fused"))
    passes = Passes(models.load("shapes"))
    for _ in range(2):
        passes._prepared(passes.exact)
    assert happened == ["given back", "fused", "given back"]
