"""The measured part of docs/explain.md is what was logged, recipes make images, and null pairs are what they say."""

import numpy as np
import pytest
from conftest import ROOT

from benchmarks import explain_page
from benchmarks.explain_nulls import NULLS, pair
from benchmarks.explain_recipes import RECIPES, pasted, some


def test_the_part_is_made_of_the_results():
    text = (ROOT / "docs/explain.md").read_text()
    assert text == explain_page.page(text, explain_page.rows())


@pytest.mark.parametrize("later", [True, False])
def test_in_a_hundred_pairs_that_no_known_cause_made_different_at_most_five_are_given_one(later):
    pairs = [one for one in explain_page.rows() if "null" in one and bool(one.get("pool")) >= later]
    assert sum(one["named"] for one in pairs) <= 0.05 * len(pairs)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_makes_an_image_with_its_own_random_numbers(recipe, rng):
    image = np.ascontiguousarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8))
    before = image.copy()
    made = [RECIPES[recipe][0](image, np.random.default_rng(1)) for _ in range(2)]
    assert made[0].dtype == np.uint8
    assert made[0].ndim == 3
    assert np.array_equal(*made)
    assert np.array_equal(image, before)


def test_a_change_of_some_images_says_so_and_leaves_the_others(rng):
    image = np.full((4, 4, 3), 9, np.uint8)
    change = some(lambda image, rng: image + 1, 0.6)
    assert np.mean([change(image, rng)[0, 0, 0] == 10 for _ in range(500)]) == pytest.approx(0.6, abs=0.08)
    assert RECIPES["some_dark"][0].__doc__ == f"30 % of the images: {RECIPES['dark'][0].__doc__}"


def test_another_background_leaves_the_middle():
    made = pasted(np.full((40, 60, 3), 200, np.uint8), np.zeros((10, 10, 3), np.uint8))
    assert made[20, 30].tolist() == [200] * 3
    assert made[0, 0].tolist() == [0] * 3


@pytest.mark.parametrize("name", NULLS)
def test_both_sets_of_a_pair_are_of_different_images(name, rng):
    own, others, label = np.arange(10, 90), np.arange(90, 130), np.arange(130) % 4
    found = pair(name, own, others, label, rng.normal(size=(80, 5)), 15, 3)
    assert len({*found.reference, *found.target}) == 30
    assert {*found.reference} <= {*own}
    assert {*found.target} <= {*(others if name == "others" else own)}
    assert found.label.shape == (15,)
    kept = name not in ("labels", "mix")
    assert np.array_equal(found.label, label[found.target]) == kept
    assert name != "classes" or not {*label[found.reference]} & {*found.label}


def logged(recipe, right, name, lost, explained=0.9, *, named=True):
    best = {"name": name, "versions": [[f"{name}:3", 1.0]], "explained": [explained, 0.5, 1.0], "auc": 0.5,
            "lost": [lost, 0, 0]}  # fmt: skip
    return {"recipe": recipe, "right": right, "accuracies": [0.9, 0.8], "proofs": [best], "lost": [0.1, 0, 0],
            "named": named, "beyond": True}  # fmt: skip


def test_families_names_and_losses_are_counted():
    found = [
        logged("gamma", ["less light"], "night", 0.08),
        logged("warm", ["colour"], "night", 0.02),
        logged("box", ["blur"], "blur", 0.1, 0.4, named=False),
    ]
    text = explain_page.summary(found)
    assert "Of 3 shifts beyond chance a cause is named of 2, of the right family in 1;" in text
    assert "named or not, is of the right family in 2." in text
    assert "within 3 points of what the recipe costs them in 1 of the 2;" in text
    assert explain_page.of_recipes(found)[4].split(" | ")[2:] == [
        "none; nearest blur:3", "40 % (50 to 100)", "0.50", "10.0", "10.0 |"
    ]  # fmt: skip
