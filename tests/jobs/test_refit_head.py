"""`refit-head`: the same network, its last layer the optimum on its own training features and on no others."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from gapscope.cnn.division import divide
from gapscope.cnn.images import open_images
from gapscope.cnn.refit import heads, refit_run, source
from gapscope.cnn.refit.data import wanted_rows
from gapscope.cnn.refit.method import Method, method_of
from gapscope.core.errors import BudgetError, InputError
from gapscope.core.files import read_json, write_json
from gapscope.core.location import Location
from gapscope.data.catalogue import open_dataset
from gapscope.jobs import JOBS
from gapscope.jobs.compare import CompareConfig
from gapscope.jobs.predict import PredictConfig
from gapscope.jobs.refit_head import RefitHeadConfig, run
from gapscope.jobs.train_cnn import TrainCnnConfig
from gapscope.networks.pixels import normalised, to_device
from gapscope.networks.runs import networks_in
from gapscope.networks.trained import load_trained
from gapscope.predictions import matched, read_all_models
from gapscope.runs.run import read_run, trained_set

pytestmark = pytest.mark.usefixtures("quick_trainings")

RUN, SET = "train-cnn-toys", "digits@100"
CLASSES = [str(digit) for digit in range(10)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with a run of two networks that have learnt little."""
    place = tmp_path_factory.mktemp("work")
    options = {"dataset": SET, "epochs": 2, "batch_size": 32, "validation": 0.2, "seeds": 2, "seed": 3, "device": "cpu"}
    JOBS["train-cnn"](TrainCnnConfig(**options, workspace=str(place), data_root=place, name="toys", report=False))
    return place


def refit(workspace, **options):
    usual = {"run": RUN, "device": "cpu", "workspace": str(workspace), "report": False}
    return run(RefitHeadConfig(**(usual | options)))


def networks_of(folder):
    return [load_trained(one.folder) for one in networks_in(Location.of(folder))]


def head_of(network):
    return network.model[-1]


def divided(workspace):
    source = open_dataset(SET, workspace, seed=3).source("train")
    return source, divide(source.listing, np.arange(len(source.listing)), 0.2, 3, SET)


def seen_by_head(network, images):
    """The input of the last layer, by a hook; an independent way to what the job takes."""
    found = []
    hook = head_of(network).register_forward_pre_hook(lambda _, inputs: found.append(inputs[0].numpy().copy()))
    with torch.inference_mode():
        network.model(normalised(to_device(images, torch.device("cpu")), network.mean, network.std))
    hook.remove()
    return found[0]


@pytest.fixture(scope="module")
def plain(workspace):
    return refit(workspace, l2=0.01, report=True)


def test_bodies_stay_and_predictions_lie_where_those_of_train_cnn_lie(workspace, plain):
    before, after = networks_of(workspace / "runs" / RUN), networks_of(plain.run)
    assert [one.title for one in after] == [f"simple-cnn, head refitted, seed {seed}" for seed in (3, 4)]
    for one, other in zip(before, after, strict=True):
        states = one.model.state_dict(), other.model.state_dict()
        same = {name for name in states[0] if torch.equal(states[0][name], states[1][name])}
        assert set(states[0]) - same == {f"{len(one.model) - 1}.weight", f"{len(one.model) - 1}.bias"}
    told = [read_all_models(str(place), dataset=SET, split="test") for place in (workspace / "runs" / RUN, plain.run)]
    for one, other in zip(*told, strict=True):
        first, second = matched(one, other)
        assert np.array_equal(first.label, second.label)
    tables = [pq.read_table(place / "results.parquet").to_pylist() for place in
              (workspace / "runs" / RUN, Path(plain.run))]  # fmt: skip
    whole = [[row for row in rows if row["class"] is None] for rows in tables]
    sets = [{(row["dataset"], row["split"], row["metric"], row["n"]) for row in rows} for rows in whole]
    assert sets[0] <= sets[1]
    assert any(row["model"] == "simple-cnn, head refitted, mean of 2 seeds" for row in tables[1])
    assert (Path(plain.run) / "report.html").exists()
    assert not (Path(plain.run) / "checkpoint").exists()


def test_other_commands_read_the_run(workspace, plain):
    runs = (str(workspace / "runs" / RUN), plain.run)
    options = {"dataset": SET, "split": "test", "workspace": str(workspace), "replicates": 10}
    compared = JOBS["compare"](CompareConfig(runs=runs, **options))
    accuracies = {row.model: row.value for row in compared.results if row.metric == "accuracy"}
    told = {row.model: row.value for row in plain.results if row.metric == "accuracy" and row.split == "test"}
    assert len(accuracies) == 4
    assert {round(value, 6) for name, value in told.items() if "seed " in name} <= {
        round(value, 6) for value in accuracies.values()
    }
    model = f"{plain.run}/models/simple-cnn-head-refitted-seed-3"
    again = JOBS["predict"](PredictConfig(model=model, dataset=SET, device="cpu", workspace=str(workspace)))
    assert told["simple-cnn, head refitted, seed 3"] in {row.value for row in again.results if row.metric == "accuracy"}
    assert trained_set(read_run(Location.of(plain.run))) == f"{SET}/train"


def test_the_head_is_the_logistic_regression_of_scikit_learn_on_the_same_features(workspace, plain):
    source, rows = divided(workspace)
    first, second = networks_of(workspace / "runs" / RUN)[0], networks_of(plain.run)[0]
    images = open_images(source, SET, first.design.frame, 2**30)
    x, y = seen_by_head(first, images.pixels[rows.train]), source.listing.labels[rows.train]
    spread = x.std(axis=0, dtype=np.float64)
    used = spread > 0
    x = (x[:, used] - x[:, used].mean(axis=0, dtype=np.float64)) / spread[used]
    reference = LogisticRegression(C=1 / (0.01 * len(y)), max_iter=10_000, tol=1e-10).fit(x, y)
    mine = softmax(second.scores(images.pixels[rows.train]), axis=1)
    assert np.abs(mine - reference.predict_proba(x)).max() < 1e-4


@pytest.mark.parametrize("method", ["none", "smote"])
def test_no_validation_or_test_image_is_learnt_from(workspace, plain, method, monkeypatch, rng):
    source, rows = divided(workspace)
    options = {"method": method, "l2": 0.01} | ({"balance": "1x"} if method != "none" else {})
    before = networks_of((plain if method == "none" else refit(workspace, **options, name="before")).run)

    def planting(changed, of_test):
        def opened(source, name, *arguments, **more):
            images = open_images(source, name, *arguments, **more)
            chosen = changed if name.endswith("train") else np.arange(of_test)
            images.pixels[chosen] = rng.integers(0, 256, images.pixels[chosen].shape)
            return images

        return opened

    monkeypatch.setattr(refit_run, "open_images", planting(rows.validation, 50))
    after = networks_of(refit(workspace, **options, name=f"{method} planted").run)
    monkeypatch.setattr(refit_run, "open_images", planting(rows.train[:1], 0))
    other = networks_of(refit(workspace, **options, name=f"{method} changed").run)
    images = open_images(source, SET, before[0].design.frame, 2**30).pixels
    for one, same, different in zip(before, after, other, strict=True):
        # The held-out rows choose where the search for the optimum begins, so it ends a rounding away.
        assert np.abs(one.scores(images) - same.scores(images)).max() < 1e-3
        assert np.abs(one.scores(images) - different.scores(images)).max() > 0.1


def test_the_penalty_is_chosen_on_validation_images(workspace):
    report = refit(workspace, name="chosen")
    (about, _) = (one.details["head"] for one in networks_of(report.run))
    assert about["holdout_rows"] == len(divided(workspace)[1].validation)
    assert len(about["settings"]) > 1
    kept = pq.read_table(Path(report.run) / "results.parquet").to_pylist()
    assert any(row["model"].startswith("simple-cnn, head refitted, seed 3(l2=") for row in kept)
    assert any("chosen on" in note for note in report.sentences)


def test_a_run_that_is_killed_after_one_seed_goes_on_and_ends_like_an_undisturbed_one(workspace, monkeypatch):
    options = {"method": "feature-diffusion", "balance": "1x", "settings": ("steps=3", "ddim_steps=2")}
    whole = networks_of(refit(workspace, **options, name="whole").run)
    fitted, calls = heads.train, []

    def train(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fitted(*arguments)

    monkeypatch.setattr(heads, "train", train)
    with pytest.raises(KeyboardInterrupt):
        refit(workspace, **options, name="killed")
    killed = networks_of(refit(workspace, **options, name="killed").run)
    assert len(calls) == 3
    for one, other in zip(whole, killed, strict=True):
        assert torch.equal(head_of(one).weight, head_of(other).weight)
    assert not torch.equal(head_of(whole[0]).weight, head_of(whole[1]).weight)
    assert whole[0].details["head"]["synthetic_rows"] == whole[0].details["head"]["real_rows"]


def test_a_class_with_too_few_images_gets_no_rows_and_is_named():
    counts = np.array([5, 1, 3])
    smote = method_of("smote")
    wanted, notes = wanted_rows(smote, counts, ["cat", "dog", "frog"], "toys")
    assert wanted.tolist() == [0, 0, 2]
    assert "made none of dog" in notes[0]
    gaussian = method_of("gaussian")
    assert wanted_rows(gaussian, counts, ["cat", "dog", "frog"], "toys")[0].tolist() == [0, 4, 2]
    with pytest.raises(InputError, match="asks for no row"):
        wanted_rows(smote, np.array([5, 1, 5]), ["cat", "dog", "frog"], "toys")
    assert not wanted_rows(Method("none"), counts, ["cat", "dog", "frog"], "toys")[0].any()


def test_settings_are_those_of_the_generator():
    assert method_of("gaussian", settings=("shrinkage=1",)).recipe.shrinkage == 1.0
    steps = method_of("feature-diffusion", settings=("steps=7",))
    assert (steps.seeded(5).steps, steps.seeded(5).seed) == (7, 5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "smoet"}, "did you mean 'smote'"),
        ({"run": "train-cnn-toy"}, "did you mean 'train-cnn-toys'"),
        ({"method": "smote", "settings": ("neighbors=3",)}, "did you mean 'neighbours'"),
        ({"method": "smote", "settings": ("neighbours=few",)}, "must be of type int"),
        ({"method": "smote", "settings": ("neighbours=0",)}, "give 1 or more"),
        ({"method": "smote", "balance": "all"}, "balance 'all'"),
        ({"balance": "2x"}, "leave out --balance"),
        ({"l2": -1.0}, "--l2 is -1.0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_one_sentence(workspace, options, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        refit(workspace, **options)
    assert "\n" not in str(caught.value)


def test_only_finished_runs_of_the_same_images_and_networks_with_a_linear_end_are_taken(workspace, plain, monkeypatch):
    with pytest.raises(InputError, match="is a run of refit-head"):
        refit(workspace, run=plain.run)
    with pytest.raises(BudgetError, match="raise --memory"):
        refit(workspace, memory="1KB", name="small")
    place = workspace / "runs" / RUN / "manifest.json"
    text = place.read_text()
    manifest = read_json(Location.of(place))
    for changed, sentence in (
        (manifest | {"status": "failed"}, "is not finished"),
        (manifest | {"config": manifest["config"] | {"dataset": "digits@90"}}, "lists other images"),
        (manifest | {"config": manifest["config"] | {"validation": 0.5}}, "divided into"),
    ):
        write_json(Location.of(place), changed)
        with pytest.raises(InputError, match=sentence):
            refit(workspace, name="changed")
    place.write_text(text)
    monkeypatch.setattr(source, "load_backbone", lambda *_, **__: SimpleNamespace(head=None))
    with pytest.raises(InputError, match="does not end in a linear layer"):
        refit(workspace)
