"""Causes by name, their order from scene to file, and functions of the user's own."""

import numpy as np
import pytest

from gapscope.causes.candidates import Candidate, Step, at_severities, causes
from gapscope.causes.families import KINDS
from gapscope.core.errors import InputError
from gapscope.core.random import stream
from gapscope.data.modifications import MODIFICATIONS
from gapscope.data.modifications.modification import Modification

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def test_every_modification_has_a_family_and_words():
    assert list(causes()) == list(MODIFICATIONS)
    assert set(KINDS) == set(MODIFICATIONS)


def test_a_candidate_is_the_modification_of_a_dataset():
    for one in at_severities({"night": causes()["night"], "shot-noise": causes()["shot-noise"]}, (2, 5)):
        (step,) = one.steps
        wanted = Modification(step.cause.name, step.severity)(IMAGE, stream(3, "a.png", step.cause.name))
        assert np.array_equal(one(IMAGE, "a.png", 3), wanted)


def test_two_causes_happen_in_the_order_from_scene_to_file():
    known = causes()
    one, other = Step(known["jpeg"], 2), Step(known["night"], 3)
    assert str(Candidate.of(one, other)) == str(Candidate.of(other, one)) == "night:3+jpeg:2"


@pytest.mark.parametrize("name", ["close-up", "framed", "tilted", "stretched", "squeezed"])
def test_a_picture_is_cropped_and_framed_with_the_light_and_the_noise_that_it_has(name):
    known = causes()
    cut, noisy, dark = (Step(known[one], 2) for one in (name, "sensor-noise", "underexposed"))
    assert str(Candidate.of(cut, noisy, dark)) == f"underexposed:2+sensor-noise:2+{name}:2"


def test_a_function_of_ones_own_is_a_candidate(tmp_path, monkeypatch):
    (tmp_path / "own_rules.py").write_text(
        "def upside_down(image, severity, rng):\n    return image[::-1]\n"
        "def wrong(image, severity, rng):\n    return image.astype(float)\nvalue = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    own = causes(["own_rules:upside_down", "own_rules:wrong"])
    found = Candidate.of(Step(own["own_rules:upside_down"], 1))(IMAGE, "a.png", 0)
    assert np.array_equal(found, IMAGE[::-1])
    with pytest.raises(InputError, match="float64 of shape"):
        Candidate.of(Step(own["own_rules:wrong"], 1))(IMAGE, "a.png", 0)
    for name, message in {"own_rules:none": "no function", "no_rules:x": "no function", "own_rules:value": "is int",
                          "night2": "names no function"}.items():  # fmt: skip
        with pytest.raises(InputError, match=message):
            causes([name])
