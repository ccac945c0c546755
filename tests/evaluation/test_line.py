"""The line of models is that of most models: a broken one is named, and does not turn it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import pearsonr, theilslopes

from gapscope.core.errors import InputError
from gapscope.evaluation.accuracy_tables import is_accuracy_table, read_accuracies
from gapscope.inference import off_line, theil_sen
from gapscope.jobs.compare import CompareConfig, run
from gapscope.studies.replication.line import line_section


def test_theil_and_sens_line_is_scipys(rng):
    x, y = rng.standard_normal((2, 25))
    slope, intercept, *_ = theilslopes(y, x)
    found = theil_sen(x, y)
    assert found[0] == pytest.approx(slope)
    assert found[1] == pytest.approx(np.median(y - slope * x))
    assert intercept == pytest.approx(np.median(y) - slope * np.median(x))  # SciPy's other convention


@pytest.mark.parametrize("models", [8, 10, 30, 200])
def test_models_that_only_scatter_do_not_lie_off(models, rng):
    wrong = 0
    for _ in range(200):
        x = rng.normal(0.8, 0.4, models)
        wrong += off_line(x, 0.95 * x - 0.3 + rng.normal(0, 0.03, models)).any()
    assert wrong <= 8  # 1 % of 200, and what chance adds


@pytest.mark.parametrize(("models", "broken"), [(10, 1), (30, 1), (43, 5)])
def test_broken_models_are_found_and_no_others(models, broken, rng):
    x = rng.normal(0.8, 0.4, models)
    y = 0.95 * x - 0.3 + rng.normal(0, 0.03, models)
    y[:broken] -= 0.6
    assert np.flatnonzero(off_line(x, y)).tolist() == list(range(broken))


def test_fewer_than_eight_models_tell_nothing():
    assert not off_line(np.arange(7.0), np.array([0.0, 1, 2, 3, 4, 5, -9])).any()


def test_a_distance_within_the_error_of_the_images_is_none():
    x = np.linspace(-1, 1, 10)
    y = x.copy()
    y[4] += 0.05
    assert off_line(x, y)[4]
    assert not off_line(x, y, np.full(10, 0.04)).any()


BASE = np.linspace(0.5, 0.85, 30)
FALL = 0.12


def accuracies(n, rng):
    """Thirty sound models and a broken one on two sets, as counted on `n` images."""
    exact = np.stack([np.append(BASE, 0.28), np.append(BASE - FALL, 0.02)])
    return rng.binomial(n, exact) / n


def test_a_broken_model_among_thirty_does_not_turn_the_study_and_takes_nobody_off_the_line(rng):
    reference, target = accuracies(4000, rng)
    replicates = tuple(rng.binomial(4000, side, (200, 31)) / 4000 for side in (reference, target))
    found = line_section(reference, target, replicates)
    assert np.flatnonzero(found["broken"]).tolist() == [30]
    sound = np.polyfit(ndtri(reference[:30]), ndtri(target[:30]), 1)
    assert found["rest"]["slope"] == pytest.approx(sound[0])
    assert found["slope"] == pytest.approx(np.polyfit(ndtri(reference), ndtri(target), 1)[0])
    assert found["off_the_line"].sum() <= 3
    assert found["off_the_line"][30]
    assert not found["outside"][:30].any()


def test_compare_names_the_broken_model_first_and_gives_both_lines(tmp_path, rng):
    sides = {}
    for side, shares in zip(("reference", "target"), accuracies(4000, rng), strict=True):
        label = rng.integers(0, 10, 4000)
        columns = {"image": [f"{side}-{i}" for i in range(4000)], "label": label}
        for i, share in enumerate(shares):
            right = rng.permutation(4000) < round(4000 * share)
            columns[f"model{i:02d}"] = np.where(right, label, (label + 1) % 10)
        place = tmp_path / f"{side}.parquet"
        pd.DataFrame(columns).to_parquet(place)
        sides[side] = (str(place),)
    report = run(CompareConfig(**sides, workspace=str(tmp_path), replicates=50))
    assert report.blocks[0].headline.startswith("model30 lies off the line of the 30 other models")
    line = json.loads(Path(report.run, "line.json").read_text())
    assert line["off"] == ["model30"]
    assert line["slope"] > 1.1
    expected = np.polyfit(ndtri(BASE), ndtri(BASE - FALL), 1)[0]
    assert line["rest"]["slope"] == pytest.approx(expected, abs=0.05)
    assert line["theil_sen"]["slope"] == pytest.approx(expected, abs=0.05)
    beyond = [one for one in report.results if one.metric == "effective_robustness" and (one.low > 0 or one.high < 0)]
    assert "model30" in {one.model for one in beyond}
    assert len(beyond) <= 5


TIMM = """model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,interpolation
eva02_large,90.052,9.948,99.048,0.952,305.08,448,1.000,bicubic
eva_giant,89.786,10.214,98.992,1.008,"1,014.45",560,1.000,bicubic
convnextv2_huge,88.858,11.142,98.748,1.252,660.29,512,1.000,bicubic
beit_large,88.596,11.404,98.656,1.344,305.67,512,1.000,bicubic
swin_base,85.272,14.728,97.564,2.436,87.77,224,0.900,bicubic
resnet50,80.110,19.890,94.500,5.500,25.56,224,0.950,bicubic
resnet34,75.110,24.890,92.280,7.720,21.80,224,0.875,bilinear
resnet18,69.758,30.242,89.078,10.922,11.69,224,0.875,bilinear
only_here,69.000,31.000,89.000,11.000,11.69,224,0.875,bilinear
"""
TIMM_V2 = """model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,interpolation,top1_diff,top5_diff,rank_diff
eva_giant,82.040,17.960,96.440,3.560,"1,014.45",560,1.000,bicubic,-7.746,-2.552,+1
eva02_large,81.890,18.110,96.370,3.630,305.08,448,1.000,bicubic,-8.162,-2.678,-1
convnextv2_huge,79.990,20.010,95.900,4.100,660.29,512,1.000,bicubic,-8.868,-2.848,0
beit_large,79.950,20.050,95.350,4.650,305.67,512,1.000,bicubic,-8.646,-3.306,0
swin_base,74.540,25.460,91.670,8.330,87.77,224,0.900,bicubic,-10.732,-5.894,0
resnet50,68.300,31.700,86.600,13.400,25.56,224,0.950,bicubic,-11.810,-7.900,0
resnet34,62.850,37.150,84.200,15.800,21.80,224,0.875,bilinear,-12.260,-8.080,0
resnet18,57.150,42.850,80.200,19.800,11.69,224,0.875,bilinear,-12.608,-8.878,0
"""


@pytest.fixture
def timm(tmp_path):
    for name, text in (("results-imagenet", TIMM), ("results-v2", TIMM_V2)):
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


def test_published_tables_of_accuracies_give_the_line_as_they_come(timm):
    places = [str(timm / f"{name}.csv") for name in ("results-imagenet", "results-v2")]
    report = run(CompareConfig(reference=(places[0],), target=(places[1],), workspace=str(timm)))
    line = json.loads(Path(report.run, "line.json").read_text())
    first, second = (pd.read_csv(place).set_index("model")["top1"] / 100 for place in places)
    x, y = ndtri(first[second.index]), ndtri(second)
    slope, intercept = np.polyfit(x, y, 1)
    assert (line["slope"], line["intercept"]) == pytest.approx((slope, intercept))
    assert line["r"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert line["models"] == 8
    robust = {one.model: one.value for one in report.results if one.metric == "effective_robustness"}
    assert robust["resnet18"] == pytest.approx(0.5715 - ndtr(intercept + slope * ndtri(0.69758)))
    assert "No model lies further off the line of the 8 models" in report.blocks[0].headline


def test_a_table_of_accuracies_is_no_table_of_predictions(timm):
    place = str(timm / "results-imagenet.csv")
    assert is_accuracy_table(place)
    with pytest.raises(InputError, match="a table of models and their accuracies goes to `compare`"):
        run(CompareConfig(predictions=(place,), workspace=str(timm)))
    (timm / "x.csv").write_text("label,pred\n0,1\n1,1\n")
    with pytest.raises(InputError, match="the other file is none"):
        run(CompareConfig(reference=(place,), target=(str(timm / "x.csv"),), workspace=str(timm)))


def test_variants_of_one_model_are_told_apart_or_refused(tmp_path):
    place = tmp_path / "x.csv"
    place.write_text("model,img_size,top1\nnet,224,70\nnet,288,72\n")
    assert read_accuracies(str(place)).models == ("net 224", "net 288")
    place.write_text("model,top1\nnet,70\nnet,72\n")
    with pytest.raises(InputError, match="several rows of the model 'net'"):
        read_accuracies(str(place))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("shares", "line"),
    [
        # Of four models the better are the worse: r is -0.61. Then three and four that rise together, and two.
        ([(0.5, 0.62), (0.6, 0.6), (0.7, 0.35), (0.8, 0.5)], False),
        ([(0.5, 0.4), (0.7, 0.61), (0.9, 0.84)], True),
        ([(0.5, 0.4), (0.6, 0.5), (0.7, 0.62), (0.8, 0.7)], True),
        ([(0.5, 0.4), (0.7, 0.6)], False),
    ],
)
def test_models_are_held_against_a_line_only_where_their_accuracies_rise_together(shares, line, ending, tmp_path):
    names, sides = [f"model{i}" for i in range(len(shares))], np.array(shares).T
    for side, values in zip(("reference", "target"), sides, strict=True):
        label = np.arange(1000) % 10
        answers = {
            name: np.where(np.random.default_rng(i).permutation(1000) < round(1000 * share), label, (label + 1) % 10)
            for i, (name, share) in enumerate(zip(names, values, strict=True))
        }
        table = {"model": names, "top1": 100 * values} if ending == "csv" else {"label": label} | answers
        getattr(pd.DataFrame(table), f"to_{ending}")(tmp_path / f"{side}.{ending}", index=False)
    places = {side: (str(tmp_path / f"{side}.{ending}"),) for side in ("reference", "target")}
    report = run(CompareConfig(**places, workspace=str(tmp_path / "w"), replicates=50))
    metrics = {one.metric for one in report.results}
    assert ("effective_robustness" in metrics) == ("accuracy_expected_on_line" in metrics) == line
    assert "accuracy_gap" in metrics
    assert report.blocks[0].headline.startswith(f"{len(shares)} models show no line") != line
    text = json.dumps(report.as_json(), allow_nan=False)
    assert ("line expects of" in text) == line
    if len(shares) > 2:
        assert (pearsonr(*ndtri(sides), alternative="greater").pvalue <= 0.05) == line
    # A line that is given is of other models, and holds for these.
    (tmp_path / "line.json").write_text('{"slope": 1.0, "intercept": -0.2}')
    given = run(
        CompareConfig(**places, workspace=str(tmp_path / "w"), replicates=50, baseline_line=str(tmp_path / "line.json"))
    )
    assert sum(one.metric == "effective_robustness" for one in given.results) == len(shares)
