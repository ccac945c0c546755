"""Any damage to any file is noticed by whoever reads it next, found by `verify`, and made good where it can be."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gapscope.core import files
from gapscope.core.checkpoint import FolderCheckpoint
from gapscope.core.errors import BudgetError, DamageError, GapscopeError
from gapscope.core.files import (
    check_seal,
    read_json,
    seal_of,
    sealed,
    write_array,
    write_arrays,
    write_json,
    write_tensors,
)
from gapscope.core.location import Location
from gapscope.evaluation.predict import scores_left
from gapscope.jobs.extract import ExtractConfig
from gapscope.jobs.extract import build as extract
from gapscope.jobs.fit_incremental import FitIncrementalConfig
from gapscope.jobs.fit_incremental import run as fit
from gapscope.jobs.import_features import ImportFeaturesConfig
from gapscope.jobs.import_features import build as import_csv
from gapscope.jobs.verify import VerifyConfig
from gapscope.jobs.verify import run as verify
from gapscope.predictions import read_predictions
from gapscope.probes.model import load_model
from gapscope.runs.run import read_run
from gapscope.store import Piece, open_store
from gapscope.verification import verify_workspace
from gapscope.verification.mending import mended

RUN = "runs/fit-incremental-one"


def made(folder):
    """A workspace in `folder` with a store of images, two imported ones, a run with predictions, and checkpoints."""
    rng = np.random.default_rng(0)
    for number in range(12):
        place = folder / "pets" / ("train" if number < 9 else "test") / ("cat", "dog")[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(place)
    (folder / "pets/train/cat/bad.png").write_bytes(b"no image")
    workspace = str(folder / "w")
    images = str(folder / "pets")
    list(extract(ExtractConfig((images,), backbone="tiny", decode_workers=0, part_rows=4, workspace=workspace)))
    for split, rows in (("train", 300), ("val", 100)):
        values = rng.standard_normal((rows, 6)).round(4).tolist()
        lines = [f"{'ab'[row[0] > 0]},{','.join(map(str, row))}\n" for row in values]
        (folder / f"{split}.csv").write_text("label,f0,f1,f2,f3,f4,f5\nb,x,0,0,0,0,0\n" + "".join(lines))
        options = {"dataset": "d", "split": split, "on_bad_row": "reject", "part_rows": 100}
        import_csv(ImportFeaturesConfig((str(folder / f"{split}.csv"),), workspace=workspace, **options))
    fit(FitIncrementalConfig(dataset="d", workspace=workspace, name="one", report=False))
    checkpoint = FolderCheckpoint(Location.of(folder / "w" / "states"))
    checkpoint.save("fit", {"weight": rng.standard_normal(50)}, {"epoch": 3})
    write_arrays(Location.of(folder / "w" / "states" / "counts.npz"), {"n": np.arange(9)})
    write_array(Location.of(folder / "w" / "alike" / "0.npy"), np.arange(200))
    (folder / "w/synthetic/pets/mixup/cat").mkdir(parents=True)
    Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(folder / "w/synthetic/pets/mixup/cat/0.png")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return made(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole, tmp_path):
    """The workspace in a place of its own, in which it may be damaged."""
    return made(tmp_path)


def everything(workspace):
    """All that the readers of a workspace hand out."""
    place = Location.of(workspace)
    found = []
    for name in ("tiny/pets/train", "tiny/pets/test", "csv/d/train", "csv/d/val"):
        store = open_store(place / "embeddings" / name)
        chunk = store.view().read()
        found += [chunk.sample_id.tolist(), chunk.x.tobytes(), chunk.y.tolist(), store.class_names, store.rejected()]
        found += [store.paths(Piece(0, store.rows)), store.name, store.labels().tolist()]
    run = place / RUN
    predictions, model = read_predictions(str(run), dataset="d", split="val"), load_model(run)
    found += [predictions.sample_id.tolist(), predictions.top.tolist(), predictions.confidence.tolist()]
    found += [predictions.class_names, model.digest, model.details, scores_left(run / "predictions/d-val")[1]]
    record = read_run(run)
    found += [record.manifest, record.of_metric("accuracy"), read_json(run / "results.json")]
    found += [FolderCheckpoint(place / "states").load("fit").arrays["weight"].tobytes()]
    return found


def same_or_sentence(workspace, wanted):
    """An empty text where all is read as it was, the error's sentence where there is one, None where neither."""
    try:
        return "" if everything(workspace) == wanted else None
    except GapscopeError as error:
        return str(error)


READ = (
    *("embeddings/*/*/*/manifest.json", "embeddings/*/*/*/part-*.parquet", "embeddings/*/*/*/rejected.parquet"),
    *(f"{RUN}/manifest.json", f"{RUN}/model.json", f"{RUN}/model.safetensors", f"{RUN}/results.*"),
    *(f"{RUN}/predictions/d-val/*", "states/fit.safetensors"),
)


@pytest.mark.parametrize("kind", READ)
def test_a_flipped_bit_changes_nothing_or_is_named_by_the_next_reader(kind, whole, request):
    rng = np.random.default_rng(len(kind))
    workspace = whole / "w"
    wanted = everything(workspace)
    flips = 400 if request.config.getoption("--runslow") else 30
    places = sorted(workspace.glob(kind))
    assert places
    for place in places * (flips // len(places) + 1):
        content = place.read_bytes()
        bit = int(rng.integers(8 * len(content)))
        spoilt = bytearray(content)
        spoilt[bit // 8] ^= 1 << bit % 8
        place.write_bytes(spoilt)
        said = same_or_sentence(workspace, wanted)
        place.write_bytes(content)
        assert said is not None, f"bit {bit} of {place} changed what is read, without a word"
        assert not said or place.name in said or place.parent.name in said
        assert "\n" not in said


@pytest.mark.parametrize("kind", READ)
def test_files_that_are_cut_emptied_or_filled_with_noise_are_named(kind, whole):
    workspace = whole / "w"
    place = sorted(workspace.glob(kind))[0]
    content, wanted = place.read_bytes(), everything(workspace)
    noise = np.random.default_rng(0).integers(0, 256, len(content), np.uint8).tobytes()
    for spoilt in (b"", content[: len(content) // 2], content[:-1], noise, content[:50] + noise[50:], b"\0" * 100):
        place.write_bytes(spoilt)
        said = same_or_sentence(workspace, wanted)
        place.write_bytes(content)
        assert said is not None
        assert not said or place.name in said or place.parent.name in said


def test_a_whole_workspace_is_said_to_be_whole(whole):
    found = verify_workspace(Location.of(whole / "w"))
    assert (found.findings, found.unsealed, found.leftovers) == ((), 0, ())
    assert found.files >= 20


@pytest.mark.parametrize(
    "kind", [*READ, "embeddings/*/*/*/files.parquet", "states/counts.npz", "alike/*.npy", "synthetic/*/*/*/*.png"]
)
def test_a_flipped_bit_is_found_by_verifying(kind, whole):
    rng = np.random.default_rng(1)
    for place in sorted((whole / "w").glob(kind))[:3]:
        content = place.read_bytes()
        for _ in range(6):
            bit = int(rng.integers(8 * (len(content) - 200)))
            spoilt = bytearray(content)
            spoilt[bit // 8] ^= 1 << bit % 8
            place.write_bytes(spoilt)
            try:
                found = verify_workspace(Location.of(whole / "w"))
                named = [place.name in one.sentence or place.parent.name in one.sentence for one in found.findings]
                assert any(named) or found.unsealed  # the bit was one of the words that the digest stands behind
            finally:
                place.write_bytes(content)


def test_what_depends_on_a_damaged_store_is_named(folder):
    part = folder / "w/embeddings/csv/d/val/part-00000.parquet"
    part.unlink()
    with pytest.raises(
        DamageError, match=r"part-00000\.parquet is damaged: it is missing \(used by fit-incremental-one\)"
    ):
        verify(VerifyConfig(workspace=str(folder / "w")))


def test_repair_makes_all_again_that_can_be_made_again(folder):
    workspace = folder / "w"
    wanted = everything(workspace)
    (workspace / "embeddings/tiny/pets/train/part-00001.parquet").unlink()
    (workspace / "embeddings/tiny/pets/test/rejected.parquet").write_bytes(b"")
    part = workspace / "embeddings/csv/d/train/part-00002.parquet"
    content = bytearray(part.read_bytes())
    content[len(content) // 3] ^= 1
    part.write_bytes(content)
    (workspace / "embeddings/csv/d/val/part-00000.parquet").write_bytes(b"")
    manifest = workspace / "embeddings/csv/d/val/manifest.json"
    content = bytearray(manifest.read_bytes())
    content[300] ^= 8
    manifest.write_bytes(content)
    (workspace / RUN / "predictions/d-val/part-00000.parquet").write_bytes(b"x")
    result = verify(VerifyConfig(workspace=str(workspace), repair=True))
    said = " ".join(block.text for block in result.blocks)
    assert "one flipped bit was put back" in said
    assert "made again by `extract`" in said
    assert "made again by `import-features`" in said
    assert "made again by `fit-incremental`" in said
    timeless = [one for one in everything(workspace) if not hasattr(one, "seconds")]
    assert timeless[:32] == [one for one in wanted if not hasattr(one, "seconds")][:32]


def test_predictions_of_another_model_are_made_again(folder):
    workspace = folder / "w"
    fit(FitIncrementalConfig(dataset="d", workspace=str(workspace), name="two", model=("lda",), report=False))
    part = "predictions/d-val/part-00000.parquet"
    before = (workspace / RUN / part).read_bytes()
    shutil.copy(workspace / "runs/fit-incremental-two" / part, workspace / RUN / part)
    with pytest.raises(DamageError, match=r"d-val was predicted by another model .* --repair"):
        verify(VerifyConfig(str(workspace)))
    result = verify(VerifyConfig(str(workspace), repair=True))
    assert "made again by `fit-incremental`" in " ".join(block.text for block in result.blocks)
    assert (workspace / RUN / part).read_bytes() == before


@pytest.mark.parametrize(
    "damaged", [f"{RUN}/predictions/d-val/part-00000.parquet", "embeddings/tiny/pets/test/part-00000.parquet"]
)
def test_a_copy_of_a_workspace_is_repaired_where_it_lies_and_the_original_left_alone(damaged, folder):
    original, copy = folder / "w", folder / "copy"
    shutil.copytree(original, copy)
    before = {place: place.read_bytes() for place in original.rglob("*") if place.is_file()}
    (copy / damaged).write_bytes(b"x")
    verify(VerifyConfig(str(copy), repair=True))
    assert pq.read_table(copy / damaged) == pq.read_table(original / damaged)
    assert {place: place.read_bytes() for place in original.rglob("*") if place.is_file()} == before


def edited(place, **changes):
    content = read_json(Location.of(place))
    for name, value in changes.items():
        content |= value if name == "top" else {name: content[name] | value}
    place.write_text(json.dumps({**content, "digest": json.loads(place.read_text())["digest"]}, indent=1))


AS_IT_WAS = "written again from the parts, as it was"
MANIFESTS = {
    "another dimension": (
        lambda place: edited(place, provenance={"dim": 3}),
        AS_IT_WAS,
    ),
    "no part": (lambda place: edited(place, top={"parts": []}), AS_IT_WAS),
    "another place": (lambda place: edited(place, top={"place": "/elsewhere"}), "were left out"),
    "no list of seconds": (lambda place: edited(place, top={"seconds": "none"}), "were left out"),
    "cut": (lambda place: place.write_bytes(place.read_bytes()[:200]), "were left out"),
    "noise": (lambda place: place.write_bytes(bytes(range(256))), "were left out"),
    "gone": (lambda place: place.unlink(), "were left out"),
}


@pytest.mark.parametrize("store", ["csv/d/val", "tiny/pets/train"])
def test_a_manifest_is_written_again_from_the_parts_which_say_how_they_were_made(store, whole):
    workspace, place = whole / "w", whole / "w/embeddings" / store / "manifest.json"
    content, wanted = place.read_bytes(), everything(workspace)
    about = {"place", "command", "seconds", "files", "digest"}
    for name, (damage, said) in MANIFESTS.items():
        damage(place)
        result = verify(VerifyConfig(workspace=str(workspace), repair=True))
        assert said in result.blocks[0].text, name
        assert place.name in result.blocks[0].text
        assert (place.read_bytes() == content) == ("as it was" in said), name
        before, now = json.loads(content), read_json(Location.of(place))
        assert {key for key in before if before[key] != now.get(key)} <= about
        assert everything(workspace) == wanted
        place.write_bytes(content)


def test_a_manifest_without_all_parts_is_not_written_again_and_the_way_out_is_named(folder):
    store = folder / "w/embeddings/csv/d/val"
    (store / "manifest.json").write_bytes(b"")
    (store / "rejected.parquet").unlink()
    with pytest.raises(DamageError, match=r"its parts are no whole store \(.*\); delete .* run `import-feat"):
        verify(VerifyConfig(workspace=str(folder / "w"), repair=True))


def test_what_is_only_remembered_is_deleted_and_made_again_by_who_needs_it(folder):
    place = folder / "w" / "alike" / "0.npy"
    place.write_bytes(place.read_bytes()[:-60])
    sentences = [block.text for block in verify(VerifyConfig(str(folder / "w"), repair=True)).blocks]
    assert any(f"{place}: deleted; the next command that needs it makes it again." in text for text in sentences)
    assert not place.exists()


def test_what_cannot_be_made_again_is_said(folder):
    shutil.rmtree(folder / "pets")
    (folder / "w/embeddings/tiny/pets/test/part-00000.parquet").unlink()
    with pytest.raises(DamageError, match=r"`extract` could not make it again: .* damaged still"):
        verify(VerifyConfig(workspace=str(folder / "w"), repair=True))


@pytest.mark.parametrize("block", [7, 33, 100, 2**20])
def test_a_file_is_checked_a_block_at_a_time(block, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BLOCK", block)
    place = Location.of(tmp_path / "x.json")
    write_json(place, {"numbers": list(range(100))})
    content = place.read_bytes()
    assert check_seal(place) == seal_of(content) != ""
    place.write_bytes(content.replace(b"77", b"78", 1))
    with pytest.raises(DamageError, match="its bytes are not those that were written"):
        check_seal(place)
    place.write_bytes(b"[]")
    assert check_seal(place) == ""


def test_a_file_that_does_not_fit_into_memory_is_named_before_any_is_read(whole, tmp_path):
    shutil.copytree(whole / "w", tmp_path / "w")
    (tmp_path / "w" / "mine.json").write_text(json.dumps(list(range(2_000_000))))
    with pytest.raises(BudgetError, match=r"the largest being .*mine\.json needs about"):
        verify_workspace(Location.of(tmp_path / "w"), memory="150MB")
    write_json(Location.of(tmp_path / "w" / "mine.json"), list(range(2_000_000)))
    assert not verify_workspace(Location.of(tmp_path / "w"), memory="150MB").findings


@pytest.mark.parametrize("bit", [0, 77, 1000, 2345])
def test_one_flipped_bit_of_a_small_file_is_put_back(bit, tmp_path):
    place = Location.of(tmp_path / "a.json")
    write_json(place, {"values": list(range(60)), "name": "x"})
    content = place.read_bytes()
    spoilt = bytearray(content)
    spoilt[bit // 8] ^= 1 << bit % 8
    assert mended(bytes(spoilt)) == content
    spoilt[40] ^= 96
    assert mended(bytes(spoilt)) is None


def test_a_file_in_which_only_the_digest_was_hit_is_whole_again(tmp_path):
    write_tensors(Location.of(tmp_path / "a.safetensors"), {"x": np.arange(5.0)})
    content = (tmp_path / "a.safetensors").read_bytes()
    place = content.index(b"xxh3-128:") + 12
    spoilt = content[:place] + (b"0" if content[place : place + 1] != b"0" else b"1") + content[place + 1 :]
    assert mended(spoilt) == content
    assert sealed  # what writes the digest at first
