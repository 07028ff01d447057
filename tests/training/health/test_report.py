"""What events say of a run's health, and what of them a resumed run keeps."""

import json

import pytest

from impasto.errors import InputError
from impasto.training.health.report import SIGNS, check_up, in_words, summarise
from impasto.training.health.signs import Signs
from impasto.training.logging.events import Evaluated
from impasto.training.logging.sinks import JsonlSink

EVALUATED = {"event": "evaluated", "diversity": 0.7, "twins": 0.0, "coverage": None, "distance": 1.0}
VERDICT = {
    "event": "verdict",
    "kind": "collapse",
    "severity": "trouble",
    "evidence": "All 16 are alike.",
    "advice": "Raise loss.r1_weight.",
}
REPAIRED = {
    "event": "repaired",
    "kind": "collapse",
    "rolled_back_from": 9_000,
    "rolled_back_to": 5_000,
    "changed": "penalties",
    "before": 1.0,
    "after": 2.0,
    "number": 1,
}


def at(images, record, **more):
    return {**record, "images_seen": images, **more}


def test_the_states_of_health():
    start = at(0, {"event": "started"})
    assert summarise([start]).state == "unknown"
    assert summarise([start, at(5_000, EVALUATED)]).state == "healthy"
    ill = [start, at(5_000, EVALUATED), at(9_000, VERDICT)]
    found = summarise(ill)
    assert (found.state, found.words) == ("trouble", "in trouble: mode collapse")
    assert summarise([*ill, at(9_000, VERDICT, severity="notice")]).state == "notice"
    assert summarise([*ill, at(9_500, {"event": "recovered", "kind": "collapse"})]).state == "healthy"
    healed = summarise([*ill, at(5_000, REPAIRED)])
    assert (healed.state, healed.images_seen, healed.standing) == ("healthy", 5_000, ())
    assert [r["event"] for r in healed.history] == ["verdict", "repaired"]
    stopped = at(9_000, {"event": "stopped", "condition": "unhealthy", "words": "mode collapse"})
    assert summarise([*ill, stopped]).words == "stopped in trouble: mode collapse"
    assert summarise([*ill, stopped, start]).words == "in trouble: mode collapse"  # resumed


def test_nothing_is_called_healthy_that_covers_hardly_any_pictures():
    found = summarise([at(36_000, {**EVALUATED, "coverage": 0.06})])
    assert found.state == "notice"
    assert found.words.startswith("no verdict, but the samples cover only 6% of the held-out pictures")
    assert summarise([at(36_000, {**EVALUATED, "coverage": 0.11})]).state == "healthy"


def test_every_sign_that_is_told_has_words():
    told = Signs.__dataclass_fields__.keys() & Evaluated.__dataclass_fields__.keys()
    assert told == SIGNS.keys() - {"against_bicubic", "seed_variety"} | {"sourced_chance"}, (
        "SIGNS of training/health/report.py"
    )


def test_words():
    assert in_words(VERDICT) == "TROUBLE: mode collapse. All 16 are alike. Raise loss.r1_weight."
    assert in_words(REPAIRED) == (
        "REPAIR 1, for mode collapse: back from 9,000 to 5,000 images; penalties from 1 x the config's to "
        "2 x the config's."
    )
    more = {**REPAIRED, "changed": "augmentation", "before": 0.0, "after": 0.2}
    assert "augmentation from +0 to +0.2" in in_words(more)
    assert in_words({"event": "recovered", "kind": "vanishing"}) == "Over: a generator without a signal."


def test_reading_a_folder(tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        check_up(tmp_path / "absent")
    with pytest.raises(InputError, match="there is no run"):
        check_up(tmp_path)
    lines = [json.dumps(at(5_000, EVALUATED)), "[]", "17", json.dumps(at(9_000, VERDICT)), '{"event": "stop']
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    found = check_up(tmp_path)
    assert found.state == "trouble"
    assert json.loads(json.dumps(found.to_dict()))["signs"] == {
        "diversity": 0.7,
        "twins": 0.0,
        "coverage": None,
    }


@pytest.mark.parametrize(
    ("seen", "repairs", "kept"),
    [
        (6_000, 0, ["evaluated 5000"]),  # killed before the repair was saved: it will come again
        (9_000, 0, ["evaluated 5000", "verdict 9000"]),
        (5_000, 1, ["evaluated 5000", "verdict 9000", "repaired 5000"]),
        (7_000, 1, ["evaluated 5000", "verdict 9000", "repaired 5000", "evaluated 7000"]),
        (99_000, 1, ["evaluated 5000", "verdict 9000", "repaired 5000", "evaluated 7000", "evaluated 8000"]),
    ],
)
def test_a_resumed_log_keeps_what_was_before_its_checkpoint(tmp_path, seen, repairs, kept):
    path = tmp_path / "events.jsonl"
    records = [
        at(5_000, EVALUATED), at(9_000, VERDICT), at(5_000, REPAIRED), at(7_000, EVALUATED),
        at(8_000, EVALUATED),
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, records)) + '\n{"event": "evalu')
    JsonlSink(path, seen, repairs).close()
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [f"{r['event']} {r['images_seen']}" for r in found] == kept
