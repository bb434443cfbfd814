"""What a worklist keeps of the model's answer."""

from __future__ import annotations

from backend.api.predicting import answer_of
from backend.store.cases import Answer


def test_what_a_list_keeps_of_a_prediction() -> None:
    """Of two classes the score of the second, so that a list has one order; a withheld answer is none."""

    def told(*probabilities: float, undecided: bool = False, gate: str = "ready") -> Answer:
        top = max(range(len(probabilities)), key=probabilities.__getitem__)
        classes = [{"index": k, "probability": p} for k, p in enumerate(probabilities)]
        result = {"classes": classes, "top": top, "undecided": undecided, "gate": {"state": gate}}
        return answer_of(result, "key")

    assert told(0.8, 0.2) == Answer("0", 0.2, 1, "key")
    assert told(0.2, 0.7, 0.1) == Answer("1", 0.7, 1, "key")
    assert told(0.6, 0.3, 0.1) == Answer("0", 0.6, 0, "key")
    assert told(0.4, 0.6, undecided=True) == Answer("undecided", 0.6, 1, "key")
    assert told(0.4, 0.6, undecided=True, gate="abstain") == Answer("withheld", None, None, "key")
    assert told(0.4, 0.6, gate="doubtful").answer == "1"
