"""What is said of an explanation, also where the cause is not known, not all, or not the only one."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from toy_runs import result, write_run

from gapscope.blocks import Answer, Sentence, Table
from gapscope.causes.page import page
from gapscope.core.location import Location
from gapscope.reports.cause import page_of_forecast, with_cause
from gapscope.runs.run import read_run


def measure(value, reach=0.02):
    return {"value": value, "low": value - reach, "high": value + reach}


def proof(name="night", explained=0.95, auc=0.55, accuracy=0.9, *, rival=True, **more):
    return {
        "name": name,
        "family": "less light",
        "words": "darker, with cooler colours",
        "versions": [{"steps": [[one, 3] for one in name.split("+")], "share": 1.0}],
        "explained": measure(explained),
        "felt": measure(explained),
        "auc": auc,
        "inseparable": 0.6,
        "accuracy": measure(accuracy),
        "lost": measure(0.07),
        "beyond": measure(0.0),
        "named": explained >= 0.5,
        "complete": explained >= 0.8 and auc <= 0.6,
        "rival": rival,
        **more,
    }


def explanation(folder, *proofs, beyond_chance=True, accuracies=(0.97, 0.9), config=None, attributes=(), cures=None,
                expected=None, of=(200, 200), causes=(), rows=(200, 200), inputs=(), **more):  # fmt: skip
    findings = {
        "reference": "a/test",
        "target": "b/test",
        "model": "softmax",
        "rows": list(rows),
        "of": list(of),
        "labelled": [200, 100],
        "half": 100,
        "chance": 0.001 if beyond_chance else 0.4,
        "by_chance": [{"distance": 0.1, "deviation": 0.01, "p": 0.03}],
        "beyond_chance": beyond_chance,
        "auc": 0.98,
        "accuracies": [measure(one) if one else None for one in accuracies],
        "proofs": list(proofs),
        "expected": expected,
        **more,
    }
    tables = {"attributes": list(attributes)} if attributes else {}
    tried = [{"name": name, "family": "any", "explained": share, "images": 100} for name, share in causes]
    tables |= {"causes": tried} if tried else {}
    files = {"explanation": findings} | ({"cures": cures} if cures else {})
    place = write_run(folder, "explain", config=config, files=files, tables=tables, inputs=inputs)
    return read_run(Location.of(place))


def said(run):
    answer = page(run)[0]
    return answer.headline, dict(answer.parts)


def test_a_complete_cause_is_named_with_what_it_explains_and_costs(tmp_path):
    headline, parts = said(explanation(tmp_path / "run", proof(), proof("contrast", 0.7, rival=False)))
    assert headline == (
        "The cause of the shift from a/test to b/test is night (less light: darker, with cooler colours)"
    )
    share = "95.0 % of the distance between the sets (95 % interval 93.0 to 97.0), by features and looks, not accuracy."
    assert f"Night at severity 3 explains {share}" in parts["Why"]
    assert "from 97.0 % to 90.0 % on modified images of the reference, and is 90.0 % on the target" in parts["Why"]
    assert "the cause costs 7.0 points (95 % interval 5.0 to 9.0), as much as" in parts["Why"]
    assert "not all" not in parts["Why"]
    assert "a+night:3" in parts["What to do"]
    assert "cannot be distinguished" not in parts["How sure"]


def test_a_cause_of_another_family_that_explains_as_much_stands_in_the_headline(tmp_path):
    blur = proof("blur", 0.93, family="blur", words="evenly blurred")
    headline, _ = said(explanation(tmp_path / "run", proof(), blur, proof("low-light", 0.9)))
    assert headline == (
        "The shift from a/test to b/test is explained by night as well as by blur, and these images cannot tell which "
        "it is"
    )


def test_several_causes_are_named_with_their_words(tmp_path):
    both = proof("night+blur", family="less light and blur", words="darker, with cooler colours; evenly blurred")
    headline, parts = said(explanation(tmp_path / "run", both, proof("blur", 0.7, family="blur")))
    assert headline.endswith("is night and blur (darker, with cooler colours; evenly blurred)")
    assert parts["Why"].startswith("Night and blur at severities 3 and 3 explain 95.0 % of the distance")


def test_what_is_left_and_what_cannot_be_distinguished_is_said(tmp_path):
    run = explanation(tmp_path / "run", proof(auc=0.8, accuracy=0.96), proof("low-light", 0.93))
    headline, parts = said(run)
    assert headline.startswith("The known cause nearest to the shift")
    assert headline.endswith("and it is not all")
    assert "It is not all" in parts["Why"]
    assert "6.0 points less than what happened to the target (95 % interval 3.2 to 8.8)." in parts["Why"]
    assert "may be chance" not in parts["Why"]
    assert "cannot be distinguished from low-light" in parts["How sure"]


def test_points_that_remain_or_are_too_many_are_said_with_their_interval(tmp_path):
    _, parts = said(explanation(tmp_path / "less", proof(accuracy=0.92)))
    assert "2.0 points less than what happened to the target (95 % interval -0.8 to 4.8), which may be" in parts["Why"]
    _, parts = said(explanation(tmp_path / "more", proof(accuracy=0.8, lost=measure(0.17))))
    assert "the cause costs 17.0 points (95 % interval 15.0 to 19.0), 10.0 points more than" in parts["Why"]
    assert "(95 % interval 7.2 to 12.8)." in parts["Why"]
    _, parts = said(explanation(tmp_path / "wins", proof(accuracy=0.98, lost=measure(-0.01))))
    assert "rises from 97.0 % to 98.0 %" in parts["Why"]
    assert "the cause wins 1.0 points (95 % interval -1.0 to 3.0), 8.0 points less than" in parts["Why"]


def test_below_half_no_cause_is_named_and_within_chance_nothing_is_explained(tmp_path):
    headline, parts = said(explanation(tmp_path / "one", proof("snow", 0.38, 1.0)))
    assert headline.endswith("at most 38.0 % of it is explained, by snow")
    assert "Why" not in parts
    headline, parts = said(explanation(tmp_path / "two", beyond_chance=False))
    assert "nothing to explain" in headline
    assert "within chance" in parts["How sure"]


def test_shares_above_all_of_it_read_alike_in_sentence_and_tables(tmp_path):
    best = proof(explained=1.004, named=True) | {"felt": measure(1.3)}
    run = explanation(tmp_path / "run", best, causes=[("night", 1.02), ("blur", 0.4)])
    assert "explains 100.0 % of the distance between the sets (95 % interval 98.4 to 100.0)" in said(run)[1]["Why"]
    proven, tried = (t for t in page(run) if isinstance(t, Table) and "explained" in t.columns)
    (cells,) = proven.rows
    assert [(one.value, one.low, one.high) for one in cells[3:5]] == [
        (1.0, pytest.approx(0.984), 1.0),
        (1.0, 1.0, 1.0),
    ]
    assert [row[2].value for row in tried.rows] == [1.0, 0.4]


def test_the_loss_of_all_images_has_the_interval_of_a_gap_in_the_same_report(tmp_path):
    run = explanation(tmp_path / "explain", proof())
    sides = [("reference", "a/test", 0.97, 200), ("target", "b/test", 0.9, 100)]
    account = {name: {"set": of, "accuracy": accuracy, "rows": rows} for name, of, accuracy, rows in sides}
    account |= {"model": "softmax", "gap": {"value": 0.07, "low": 0.011, "high": 0.123}, "paired": True}
    gap = read_run(Location.of(write_run(tmp_path / "gap", "gap", files={"ledger": account})))
    assert "(95 % interval 1.1 to 12.3)" in said(replace(run, beside=(run, gap)))[1]["What was lost"]
    assert "(95 % interval 1.1 to 12.3)" not in said(run)[1]["What was lost"]


@pytest.mark.parametrize("of", [(200, 200), (200, 900)])
def test_a_loss_has_the_interval_of_newcombe_and_says_that_it_is_of_a_sample(tmp_path, of):
    lost = said(explanation(tmp_path / "run", proof(), of=of))[1]["What was lost"]
    sides = [binomtest(right, n).proportion_ci(method="wilson") for right, n in ((194, 200), (90, 100))]
    low = 0.07 - np.hypot(0.97 - sides[0].low, sides[1].high - 0.9)
    high = 0.07 + np.hypot(sides[0].high - 0.97, 0.9 - sides[1].low)
    assert f"7.0 points of accuracy (95 % interval {low * 100:.1f} to {high * 100:.1f})" in lost
    assert ("This is of a sample; `gap` measures all images." in lost) is (of == (200, 900))


def test_a_share_that_may_be_anything_proves_nothing(tmp_path):
    best = proof("warm", named=False) | {"explained": {"value": 2.06, "low": -0.4, "high": 5.0}}
    headline, parts = said(explanation(tmp_path / "run", best))
    assert headline.endswith("warm is nearest, and explains anything from 0.0 % to 100.0 % of it")
    assert "Why" not in parts


def test_a_cause_that_the_network_hardly_notices_is_proven_by_the_looks_of_the_images(tmp_path):
    _, parts = said(explanation(tmp_path / "run", proof() | {"felt": None}))
    assert "features alone differ no more than by chance (p 0.03)" in parts["Why"]


def test_images_that_look_alike_and_features_that_do_not_are_no_known_cause(tmp_path):
    best = proof("overexposed", 0.9, named=False) | {"felt": measure(0.1)}
    headline, parts = said(explanation(tmp_path / "run", best))
    assert "overexposed brings the looks of the images nearest" in headline
    assert headline.endswith("by 10.0 % only")
    assert "Why" not in parts


def test_unlike_causes_that_explain_as_much_are_no_known_cause(tmp_path):
    best = proof("elastic", named=False, enough=True, away=[], against=["sideways", "wide-view"])
    headline, parts = said(explanation(tmp_path / "run", best))
    assert headline.startswith("No known cause explains the shift")
    assert "elastic, sideways and wide-view explain as much of it and have nothing in common" in headline
    assert "Why" not in parts


def test_a_cause_that_takes_looks_further_from_the_target_is_no_known_cause(tmp_path):
    best = proof("posterise", 0.77, named=False, enough=True, away=["luminance-low", "tint"], against=[])
    headline, _ = said(explanation(tmp_path / "run", best))
    assert headline.startswith("No known cause explains the shift")
    assert headline.endswith(
        "posterise explains 77.0 % of it, and takes luminance of the shadows and tint further from the target"
    )


def test_without_labels_the_accuracy_is_a_forecast(tmp_path):
    _, parts = said(explanation(tmp_path / "run", proof(), accuracies=(0.97, None)))
    assert "a forecast" in parts["Why"]


def test_the_report_of_a_gap_names_the_cause_that_lies_beside_it(tmp_path):
    config = {"reference": "a/test", "target": "b/test", "model": ""}
    explanation(tmp_path / "explain-x", proof(), config=config)
    explanation(tmp_path / "explain-y", proof("fog"), config=config | {"target": "c/test"})
    gap = read_run(Location.of(write_run(tmp_path / "gap-x", "gap", config=config)))
    advice = (
        "Repair it: `gapscope repair x`. What happened to the images, or else to their features: `gapscope explain x`."
    )
    parts = {"What was lost": "much", "What changed": "Some attribute.", "Why": "novel X", "What to do": advice}
    answer, rest = with_cause(gap, [], [Answer.of("fell", parts), Sentence("rest")])
    assert (answer.headline, rest.text) == ("fell", "rest")
    assert [name for name, _ in answer.parts] == ["What was lost", "What changed", "Why", "What to do"]
    assert "is night (less light" in _changed(answer)
    assert "attribute" not in _changed(answer)
    assert dict(answer.parts)["What to do"] == "Repair it: `gapscope repair x`."
    other = read_run(Location.of(write_run(tmp_path / "gap-z", "gap", config=config | {"target": "d/test"})))
    assert with_cause(other, [], [answer]) == [answer]


def test_of_several_causes_beside_a_gap_that_of_the_same_model_and_of_most_images_is_taken(tmp_path):
    config = {"reference": "a/test", "target": "b/test", "model": ""}
    own, other = ({"place": f"/runs/{name}", "config_hash": "", "rows": 1} for name in ("fit-x", "fit-y"))
    explanation(tmp_path / "explain-a", proof(accuracy=0.93), config=config, inputs=[own])
    explanation(tmp_path / "explain-b", proof(accuracy=0.92), config=config, inputs=[own], rows=(900, 900))
    explanation(tmp_path / "explain-c", proof(accuracy=0.91), config=config, inputs=[other], rows=(9000, 9000))
    for given, wanted in ((own, "to 92.0 %"), (other, "to 91.0 %")):
        folder = write_run(tmp_path / f"gap-{wanted[3:5]}", "gap", config=config, inputs=[given])
        (answer,) = with_cause(read_run(Location.of(folder)), [], [Answer("fell")])
        assert wanted in _changed(answer)
        rows = [result("forecast_doc", 0.9, dataset="b")]
        sets = {"reference": "a/test", "target": ["b/test"]}
        folder = write_run(tmp_path / f"forecast-{wanted[3:5]}", "forecast", rows, config=sets, inputs=[given])
        texts = [block.text for block in page_of_forecast(read_run(Location.of(folder))) if isinstance(block, Sentence)]
        said = [text for text in texts if text.startswith("By reproduction")]
        assert len(said) == 1
        assert wanted[3:] in said[0]


def _changed(answer):
    return dict(answer.parts)["What changed"]


@pytest.mark.parametrize("sampled", [True, False])
def test_the_breakdown_of_a_gap_reads_as_the_cause_and_what_it_leaves(tmp_path, sampled):
    config, of = {"reference": "a/test", "target": "b/test", "model": ""}, (900, 900) if sampled else (200, 200)
    explanation(tmp_path / "explain-x", proof(accuracy=0.92) | {"lost": measure(0.502)}, config=config, of=of)
    terms = [{"name": "novel_x", "value": 0.531, "low": 0.5, "high": 0.56, "meaning": ""}]
    account = {"terms": terms, "inputs": "separated"}
    gap = read_run(Location.of(write_run(tmp_path / "gap-x", "gap", config=config, files={"ledger": account})))
    label = "inputs unlike those of the reference (novel X)"
    table = Table("Where", {"cause": "text", "points lost": "change"}, [[label, None], ["the gap, their sum", None]])
    answer, breakdown = with_cause(gap, [], [Answer("fell"), table])
    fall = "accuracy falls from 97.0 % to 92.0 % on modified images"
    assert (f"On a sample of 200 and 200 images, {fall}" if sampled else f"A{fall[1:]}") in _changed(answer)
    assert "than what happened to the target" not in _changed(answer)
    parts = "night 50.2 (95 % interval 48.2 to 52.2) + unexplained 2.9"
    assert f"Inputs unlike those of the reference (novel X), 53.1 points = {parts}" in _changed(answer)
    assert [row[0] for row in breakdown.rows] == [
        label, "… of these night", "… of these unexplained", "the gap, their sum"
    ]  # fmt: skip
    left = breakdown.rows[2][1]
    assert left.low < 0.029 < left.high
    assert left.high - left.low > 0.06


def test_a_cause_that_costs_more_than_the_term_has_is_not_called_a_part_of_it(tmp_path):
    config = {"reference": "a/test", "target": "b/test", "model": ""}
    explanation(tmp_path / "explain-x", proof() | {"lost": measure(0.502)}, config=config)
    terms = [{"name": "novel_x", "value": 0.1, "low": 0.05, "high": 0.15, "meaning": ""}]
    account = {"terms": terms, "inputs": "separated"}
    gap = read_run(Location.of(write_run(tmp_path / "gap-x", "gap", config=config, files={"ledger": account})))
    (answer,) = with_cause(gap, [], [Answer("fell")])
    assert "is night (less light" in _changed(answer)
    assert "unexplained" not in _changed(answer)
    assert "as much as what happened to the target" in _changed(answer)


def test_a_sample_says_that_gap_measures_all_unless_it_stands_in_the_same_report(tmp_path):
    config = {"reference": "a/test", "target": "b/test", "model": ""}
    gap = read_run(Location.of(write_run(tmp_path / "gap-x", "gap", config=config)))
    run = explanation(tmp_path / "explain-x", proof(), config=config, of=(900, 900))
    lost = [said(replace(run, beside=beside))[1]["What was lost"] for beside in ((), (run, gap))]
    assert [one.partition("This is of a sample")[2] for one in lost] == ["; `gap` measures all images.", "."]


def test_of_many_remedies_one_that_is_just_beyond_chance_by_itself_is_not_recommended(tmp_path):
    one = {"words": "do this", "back": measure(0.021), "cost": measure(0.0), "labels": 0, "seconds": 1.0}
    config = {"run": "fit-x", "reference": "a/test", "target": "b/test", "model": ""}
    advice = []
    for count in (1, 4):
        cures = [one | {"name": f"cure {number}"} for number in range(count)]
        advice.append(
            said(explanation(tmp_path / f"run-{count}", proof(), config=config, cures=cures))[1]["What to do"]
        )
    assert "this brings back 2.1 points" in advice[0]
    assert "brings anything back beyond chance, corrected for their number" in advice[1]
    assert "Whether training on images after the cause helps: `gapscope extract a+night:3" in advice[1]
    assert "Whether" not in advice[0]


def test_a_forecast_of_the_same_sets_has_what_was_reproduced_and_what_the_distance_lets_expect(tmp_path):
    expected = {"value": 0.88, "low": 0.8, "high": 0.95, "sets": 74}
    explanation(tmp_path / "explain-x", proof(), accuracies=(0.97, None), expected=expected)
    config = {"reference": "a/test", "target": ["b/test"]}
    rows = [result("forecast_doc", 0.9, dataset="b")]
    forecast = read_run(Location.of(write_run(tmp_path / "forecast-x", "forecast", rows, config=config)))
    texts = [block.text for block in page_of_forecast(forecast) if isinstance(block, Sentence)]
    assert texts[0].startswith("By reproduction: softmax classifies 90.0 %")
    assert "classify 88.0 % (95 % interval 80.0 to 95.0) of b/test correctly, learnt from 74 modified sets" in texts[1]
    other = {"reference": "a/test", "target": ["c/test"]}
    forecast = read_run(Location.of(write_run(tmp_path / "forecast-y", "forecast", rows, config=other)))
    assert not any(
        "By reproduction" in block.text for block in page_of_forecast(forecast) if isinstance(block, Sentence)
    )


def test_remedies_stand_with_what_they_bring_back_their_price_and_their_command(tmp_path):
    cures = [
        {"name": "nothing", "words": "do nothing", "back": measure(0.0, 0), "cost": measure(0.0, 0), "labels": 0},
        {"name": "undo", "words": "brighten the images", "back": measure(0.05), "cost": measure(-0.01), "labels": 0},
        {"name": "labels", "words": "fit the head", "back": measure(0.01), "cost": measure(0.0), "labels": 100},
    ]
    config = {"run": "fit-x", "reference": "a/test", "target": "b/test", "model": ""}
    run = explanation(tmp_path / "run", proof(), config=config, cures=[one | {"seconds": 1.0} for one in cures])
    parts = said(run)[1]
    assert "Brighten the images: this brings back 5.0 points (95 % interval 3.0 to 7.0) and costs 1.0 points" in parts[
        "What to do"
    ]  # fmt: skip
    how = [block.text for block in page(run) if isinstance(block, Sentence) and block.text.startswith("To ")]
    assert len(how) == 1
    assert how[0].startswith("To fit the head: `")
    assert how[0].endswith("--label-rows 100`")


def test_training_on_the_cause_is_said_as_commands_that_follow_one_another(tmp_path):
    cures = [{"name": "train", "words": "train on both", "back": measure(0.2), "cost": measure(0.0), "labels": 0}]
    config = {"run": "fit-x", "reference": "a/test", "target": "b/test", "model": "", "backbone": "net"}
    known = {"trained": ["a/train", "c/train"], "extract": ["--backbone", "net"], "places": {"c": "/my photos/c"}}
    cures = [one | {"seconds": 1.0} for one in cures]
    run = explanation(tmp_path / "run", proof(), config=config, cures=cures, **known)
    assert said(run)[1]["What to do"].endswith(
        "With the images of this sample, `gapscope repair fit-x --reference a/test --target b/test --backbone net`; or "
        "with all, `gapscope extract a+night:3 --split train --backbone net`, then "
        "`gapscope extract '/my photos/c+night:3' --split train --backbone net`, then "
        "`gapscope fit-incremental a/train c/train a+night:3/train c+night:3/train --model softmax "
        "--evaluate a/test b/test --backbone net`."
    )


def test_a_remedy_that_costs_more_than_it_brings_is_not_recommended(tmp_path):
    undo = {"name": "undo", "words": "brighten", "back": measure(0.05), "cost": measure(-0.06), "labels": 0}
    labels = {"name": "labels", "words": "fit the head", "back": measure(0.04), "cost": measure(-0.01), "labels": 100}
    config = {"run": "fit-x", "reference": "a/test", "target": "b/test", "model": ""}
    advice = []
    for number, tried in enumerate(([undo], [undo, labels])):
        cures = [one | {"seconds": 1.0, "judged": 50} for one in tried]
        run = explanation(tmp_path / f"run-{number}", proof(), config=config, cures=cures)
        advice.append(said(run)[1]["What to do"])
    assert advice[0].startswith(
        "No remedy brings back more than it costs on a/test: brighten: this brings back 5.0 points (95 % interval 3.0 "
        "to 7.0), judged on 50 images that it was not fitted to, and costs 6.0 points on a/test."
    )
    assert advice[1].startswith("Fit the head: this brings back 4.0 points (95 % interval 2.0 to 6.0) with 100 labels,")
    assert "righten" not in advice[1]


def test_one_attribute_of_a_kind_is_told_in_the_answer(tmp_path):
    moved = {"reference": 100.0, "target": 50.0, "above": 0.1, "low": 0.05, "high": 0.15, "p": 1e-9}
    names = ("luminance", "contrast", "noise", "warmth")
    run = explanation(tmp_path / "run", proof(), attributes=[{"name": name, **moved} for name in names])
    why = said(run)[1]["Why"]
    assert "darker than 90.0 % of the reference" in why
    assert "less noisy" in why
    assert "cooler" in why
    assert "contrast" not in why
