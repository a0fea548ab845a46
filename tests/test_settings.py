"""What the parameters leave open, resolved by the facts of a matrix."""

import pytest

from vseens_rec import ReleasedVSEens, VSEens
from vseens_rec.choices import Adaptive, Group, Random, Softmax
from vseens_rec.engine.settings import Facts, Usual, check, resolve
from vseens_rec.vseens import settings_of


def test_paper_setting():
    model = VSEens.paper(rank_scale=0.3, iterations=7)
    expected = {
        "factors": 100, "learning_rate": 0.01, "regularization": 0.01, "init": Random(scale=0.01),
        "loss": "hinge", "sampler": Adaptive(rank_scale=0.3, refresh_interval=1.0),
        "selection": "first", "use_bias": False, "iterations": 7, "fold_in_users": False,
    }  # fmt: skip
    assert {name: model.get_params()[name] for name in expected} == expected


def resolved(**parameters):
    settings = settings_of(VSEens(**parameters), 1386)
    return settings.selection.name, settings.candidates


def test_selection_and_candidates_that_go_with_the_loss():
    assert resolved() == resolved(loss="hinge") == ("hardest", 6)
    assert resolved(candidates=1) == ("first", 1)
    assert resolved(loss="sgns") == ("first", 1)
    assert resolved(loss="softmax") == ("first", 12)
    assert resolved(loss="softmax", candidates=8) == ("first", 8)
    assert resolved(loss="warp") == ("violator", 1)
    released = settings_of(ReleasedVSEens(), 1386)
    assert (released.selection.name, released.candidates) == ("first", 1)
    assert resolved(selection=Group(size=9)) == ("group", 9)
    assert resolved(selection=Group(size="auto")) == ("group", 6)
    assert settings_of(VSEens(), 3).candidates == 2


def test_steps_that_go_with_the_loss():
    def steps(**parameters):
        settings = settings_of(VSEens(**parameters), 1000)
        return settings.damped_steps, settings.learning_rate

    assert (
        steps() == steps(loss="hinge") == steps(loss="warp") == steps(candidates=1) == (True, 0.2)
    )
    assert steps(learning_rate=3.0) == (True, 3.0)
    assert steps(damped_steps=False) == (False, 0.08)
    assert steps(selection="first", candidates=4) == (True, 0.05)
    assert steps(loss=Softmax(temperature=2.0)) == (True, 0.05)
    assert steps(loss=Softmax(temperature=0.5)) == (True, 0.025)
    assert steps(loss=Softmax(temperature=0.5), damped_steps=False) == (False, 0.04)
    assert not settings_of(ReleasedVSEens(), 1000).damped_steps
    assert not settings_of(VSEens.paper(), 1000).damped_steps


def test_ranks_that_go_with_the_number_of_labels():
    def scale(n_labels, **parameters):
        return settings_of(VSEens(**parameters), n_labels).rank_scale

    assert scale(2) == 1.0
    assert scale(1000) == pytest.approx(0.3014, abs=1e-4)
    assert scale(100_000) == pytest.approx(0.12)
    assert scale(100_000, sampler=Adaptive(rank_scale=0.5)) == 0.5


def test_the_default_rank_scale_follows_labels_and_candidates():
    def scale(n_labels=1000, **parameters):
        return settings_of(VSEens(**parameters), n_labels).rank_scale

    assert scale() == pytest.approx(1.2 * 1000**-0.2)
    assert scale(candidates=5) == scale()
    # fewer candidates come from higher up, more from further down
    assert scale(candidates=1) == pytest.approx(scale() / 5 ** (2 / 3))
    assert scale(candidates=14) == pytest.approx(2.8 ** (2 / 3) * scale())
    assert scale(candidates=14, selection="group") == scale(candidates=14)
    assert scale(candidates=10_000) == scale(n_labels=2) == 1
    # every one of them is a negative
    assert scale(candidates=28, loss="softmax") == scale()
    assert scale(sampler=Adaptive(rank_scale=0.2), candidates=1) == 0.2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"damped_steps": True}, "does not damp its steps"), ({"candidates": 4}, "use candidates=1")],
)
def test_what_the_released_code_does_not_have(parameters, message):
    given = VSEens(**parameters).get_params(deep=False)
    settings = resolve(given, Facts(50), usual=Usual(released=True))
    with pytest.raises(ValueError, match=message):
        check(settings)
