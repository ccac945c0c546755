"""Planted changes of real images are named in words with their points; nonsense and other models are not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import write_store
from words_model import CLASSES, WORDS, photographs, planted, trained

from gapscope.core.errors import InputError
from gapscope.core.location import Location
from gapscope.jobs.words import WordsConfig
from gapscope.jobs.words import run as run_words
from gapscope.predictions import Predictions
from gapscope.schemas.embeddings import Fingerprint, Tensor
from gapscope.words.bank import Phrase, bank, nonsense
from gapscope.words.page import sentence
from gapscope.words.run import compare
from gapscope.words.space import LEAST_R2, learnt_space, own_space
from gapscope.words.texts import Texts, make_texts, normalised

DROPS = {"dark": 0.4, "blurred": 0.3, "grass": 0.5}
KIN = {
    "dark": ("dark", "dim", "night", "underexposed"),
    "blurred": ("blur", "focus"),
    "grass": ("grass", "field", "garden"),
}
FEW, MANY = 0.1, 0.6


@pytest.fixture(scope="session")
def towers(test_data):
    """Two towers, trained on half of the photographs; the other half with its classes; and the vectors of the bank."""
    images, labels = photographs(test_data / "cats-vs-dogs" / "PetImages", 400)
    train = np.arange(len(images)) % 2 == 0
    changed, flags = planted(images[train], dict.fromkeys(WORDS, 0.4), np.random.default_rng(0))
    model = trained(changed, labels[train], flags)
    return model, images[~train], labels[~train], make_texts("two towers", model.encode, CLASSES)


@pytest.fixture(scope="session")
def made(towers, tmp_path_factory):
    """A function that stores the photographs with changes in given shares, and what a made-up model says of them."""
    model, images, labels, _ = towers
    root = tmp_path_factory.mktemp("workspace")

    def make(name, seed, **shares):
        rng = np.random.default_rng(seed)
        changed, flags = planted(images, dict.fromkeys(WORDS, FEW) | shares, rng)
        order = rng.permutation(len(images))
        right = rng.random(len(images)) < np.maximum(0.95 - flags @ np.array(list(DROPS.values())), 0.02)
        y, features = labels[order], model.embed(changed)[order]
        place = root / "embeddings" / "towers" / name / "test"
        about = {"class_names": list(CLASSES), "tensor": Tensor(joint=True), "dataset": name, "split": "test"}
        if not place.exists():
            write_store(place, features, y, backbone="towers", **about)
        from gapscope.store import open_store

        answers = np.where(right[order], y, 1 - y)[:, None].astype(np.int32)
        said = Predictions("model", name, "test", CLASSES, np.arange(len(y)), y.astype(np.int32), answers)
        return open_store(Location.of(place)), said, changed[order]

    return root, make


def compared(made, texts, **shares):
    _, make = made
    name = "-".join(shares) or "same"
    (reference, said, _), (target, _, _) = make("reference", 5), make(name, 6, **shares)
    return compare((reference, target), texts, None, said).findings


@pytest.mark.parametrize("what", list(WORDS))
def test_what_was_done_to_the_images_is_named_first_with_its_points(made, towers, what):
    result = compared(made, towers[3], **{what: MANY})
    first, *others = result.found
    assert any(word in first.text for word in KIN[what])
    assert first.change > 0
    told = [row.text for row in result.rows[: len(result.rows) // 20] if row.change > 0 and row.p < 0.001]
    assert WORDS[what] in told
    assert first.points.low <= -(MANY - FEW) * DROPS[what] * 0.75
    assert first.points.high < 0
    assert len(others) <= 1


def test_points_are_said_to_be_too_few():
    points = {"value": -0.1, "low": -0.15, "high": -0.05, "matters": True}
    said = sentence({"text": "a dark photo", "above": 0.7, "change": 0.2, "points": points})
    assert said.endswith("in 70.0 % of comparisons, which costs 10.0 points (5.0 to 15.0).")


def test_the_same_images_changed_alike_have_no_words(made, towers):
    assert not compared(made, towers[3]).found


def test_nonsense_is_found_in_at_most_five_percent(made, towers):
    model, _, _, texts = towers
    fresh = nonsense(100, seed=1)
    other = replace(texts, phrases=tuple(Phrase(one, "none") for one in fresh), vectors=normalised(model.encode(fresh)))
    found = [len(compared(made, other, **{what: MANY}).found) for what in WORDS]
    assert sum(found) <= 0.05 * 100 * len(WORDS)


def test_a_map_from_other_features_finds_the_same_and_refuses_what_it_does_not_carry(made, towers):
    root, make = made
    texts = towers[3]
    stores = []
    for name, seed, shares in (("reference", 5, {}), ("dark", 6, {"dark": MANY})):
        store, said, images = make(name, seed, **shares)
        pixels = images[:, ::4, ::4].reshape(len(images), -1) / np.float32(255)
        place = root / "embeddings" / "pixels" / name / "test"
        y = store.view().read().y
        about = {"class_names": list(CLASSES), "dataset": name, "split": "test", "backbone": "pixels"}
        stores.append((store, write_store(place, pixels, y, **about) if not place.exists() else None, said))
    (joint, here, said), (_, there, _) = stores
    assert own_space(here) is None
    space = learnt_space(here, joint, texts)
    carried = space.carried(len(texts.phrases))
    places = {phrase.text: place for place, phrase in enumerate(texts.phrases)}
    assert space.r2[places[WORDS["dark"]]] > LEAST_R2
    found = compare((here, there), texts, joint, said).findings
    assert any(word in found.found[0].text for word in KIN["dark"])
    assert found.refused == int((~carried).sum())
    with pytest.raises(InputError, match="no model of images and texts"):
        compare((here, there), texts, None)


def test_text_vectors_of_another_model_are_refused(made, towers):
    _, make = made
    texts = towers[3]
    rng = np.random.default_rng(3)
    other = replace(texts, vectors=normalised(rng.standard_normal(texts.vectors.shape)))
    short = replace(texts, vectors=texts.vectors[:, :8], null=texts.null[:, :8])
    (reference, said, _), (target, _, _) = make("reference", 5), make("same", 6)
    for one, wrong in ((other, "which is chance"), (short, "have 8 numbers")):
        with pytest.raises(InputError, match=wrong):
            compare((reference, target), one, None, said)


def test_the_bank_has_four_hundred_phrases_and_its_vectors_half_a_megabyte(tmp_path):
    phrases = bank()
    assert len(phrases) >= 400
    assert len({phrase.group for phrase in phrases}) == 9
    texts = make_texts("random", lambda texts: np.random.default_rng(len(texts)).standard_normal((len(texts), 512)))
    texts.save(tmp_path / "below" / "spoilt.texts")
    content = bytearray((tmp_path / "below" / "spoilt.texts").read_bytes())
    content[-40] ^= 1
    (tmp_path / "below" / "spoilt.texts").write_bytes(content)
    with pytest.raises(InputError, match=r"holds no text vectors \(its bytes are not those that were written\)"):
        Texts.load(tmp_path / "below" / "spoilt.texts")
    texts.save(tmp_path / "some.texts")
    assert (tmp_path / "some.texts").stat().st_size < 600_000
    again = Texts.load(tmp_path / "some.texts")
    assert again.phrases == texts.phrases
    np.testing.assert_allclose(again.vectors, texts.vectors, atol=2e-3)


@pytest.mark.parametrize("content", [None, b"", b"no vectors", json.dumps({"a": 1}).encode()])
def test_a_file_that_holds_no_text_vectors_is_refused(content, tmp_path):
    if content is not None:
        (tmp_path / "x.texts").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.texts"):
        Texts.load(tmp_path / "x.texts")


def test_the_command_writes_a_page_that_names_the_phrase(made, towers, tmp_path):
    root, make = made
    for name, seed, shares in (("reference", 5, {}), ("dark", 6, {"dark": MANY})):
        make(name, seed, **shares)
    towers[3].save(tmp_path / "towers.texts")
    config = WordsConfig(
        reference="reference/test",
        target="dark/test",
        texts=tmp_path / "towers.texts",
        workspace=str(root),
        report=False,
    )
    result = run_words(replace(config, backbone="towers"))
    page = " ".join(map(str, result.blocks))
    assert "fit “" in page
    assert "nonsense phrases were compared, at the same class mix" in page
    with pytest.raises(InputError, match="make it with --encoder"):
        run_words(replace(config, backbone="towers", texts=tmp_path / "absent.texts"))


def test_the_fingerprint_of_the_images_is_asked_for_where_a_map_is_learnt(made, towers, tmp_path):
    _, make = made
    store, _, _ = make("reference", 5)
    other = write_store(
        tmp_path / "other",
        np.ones((120, 4), np.float32),
        np.zeros(120, int),
        fingerprint=Fingerprint(count=120, hash="1"),
    )
    with pytest.raises(InputError, match="are other images"):
        learnt_space(other, store, towers[3])
