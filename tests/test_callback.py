"""A model that is looked at while it learns."""

import itertools

import numpy as np
import pytest
from implicit.recommender_base import ModelFitError

from vseens_rec import VSEens
from vseens_rec.metrics import ranking_metrics
from vseens_rec.model_selection import leave_one_out_split

OPTIONS = {"factors": 8, "iterations": 4, "random_state": 0, "num_threads": 1}


class TestCallbackSeesTheModel:
    def curve(self, model, X, held_out, **arguments):
        seen = []

        def look(epoch, *_):
            seen.append(
                (
                    ranking_metrics(model, X, held_out, "ndcg@10")["ndcg@10"],
                    model.item_factors,
                    model.n_iter_,
                    len(model.history_["loss"]),
                    model.recommend(3, N=2)[0],
                )
            )

        model.fit(X, show_progress=False, callback=look, **arguments)
        return seen

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_as_it_is_after_every_epoch(self, annotations, dtype):
        X, held_out = leave_one_out_split(annotations, random_state=0)
        model = VSEens(**OPTIONS, dtype=dtype, fold_in_users=False)
        seen = self.curve(model, X, held_out)
        assert [n for _, _, n, _, _ in seen] == [n for _, _, _, n, _ in seen] == [1, 2, 3, 4]
        # what was kept is not overwritten by what comes after
        assert all((one[1] != other[1]).any() for one, other in itertools.pairwise(seen))
        assert seen[0][1].dtype == dtype
        np.testing.assert_array_equal(seen[-1][1], model.item_factors)
        assert seen[-1][0] == ranking_metrics(model, X, held_out, "ndcg@10")["ndcg@10"]

    def test_does_not_change_what_is_learned(self, annotations):
        X, held_out = leave_one_out_split(annotations, random_state=0)
        model = VSEens(**OPTIONS)
        self.curve(model, X, held_out)
        other = VSEens(**OPTIONS).fit(X, show_progress=False)
        np.testing.assert_array_equal(model.item_factors, other.item_factors)
        np.testing.assert_array_equal(model.user_factors, other.user_factors)

    def test_in_a_refit(self, annotations):
        X, held_out = leave_one_out_split(annotations, random_state=0)
        model = VSEens(**OPTIONS).fit(X[:100], show_progress=False)
        before = model.item_factors
        seen = self.curve(model.set_params(random_state=1), X, held_out)
        fresh = self.curve(VSEens(**OPTIONS | {"random_state": 1}), X, held_out)
        assert [score for score, *_ in seen] == [score for score, *_ in fresh]
        assert not any(factors is before for _, factors, *_ in seen)

    def test_goes_on_from_a_warm_start(self, annotations):
        X, held_out = leave_one_out_split(annotations, random_state=0)
        model = VSEens(**OPTIONS, warm_start=True)
        self.curve(model, X, held_out)
        assert [n for _, _, n, _, _ in self.curve(model, X, held_out)] == [5, 6, 7, 8]

    def test_can_be_saved(self, annotations, tmp_path):
        model = VSEens(**OPTIONS)
        model.fit(
            annotations,
            show_progress=False,
            callback=lambda epoch, *_: model.save(tmp_path / f"{epoch}"),
        )
        assert [VSEens.load(tmp_path / f"{epoch}").n_iter_ for epoch in range(4)] == [1, 2, 3, 4]

    def test_is_the_old_one_again_if_the_training_fails(self, annotations):
        model = VSEens(**OPTIONS).fit(annotations, show_progress=False)
        factors, history = model.item_factors, model.history_
        model.set_params(learning_rate=1e10)
        with pytest.raises(ModelFitError):
            model.fit(annotations, show_progress=False, callback=lambda *_: None)
        assert model.item_factors is factors
        assert model.history_ is history
        fresh = VSEens(**OPTIONS, learning_rate=1e10)
        with pytest.raises(ModelFitError):
            fresh.fit(annotations, show_progress=False, callback=lambda *_: None)
        assert fresh.item_factors is None
        assert not hasattr(fresh, "history_")

    def test_what_it_sets_stays(self, annotations):
        model = VSEens(**OPTIONS)

        def look(epoch, *_):
            model.note_ = epoch

        model.fit(annotations, show_progress=False, callback=look)
        assert model.note_ == 3

    @pytest.mark.parametrize("wrong", [lambda epoch, seconds, loss: None, lambda: None])
    def test_is_checked_before_the_training(self, annotations, wrong):
        model = VSEens(**OPTIONS)
        with pytest.raises(TypeError, match="epoch, seconds, correct and skipped, got one that"):
            model.fit(annotations, show_progress=False, callback=wrong)
        assert model.item_factors is None
