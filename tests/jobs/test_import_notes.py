"""What an import says of its file before it reads it."""

import pytest

from gapscope.jobs.import_features import ImportFeaturesConfig, run

CONTENT = "f0,f1,label,site\n1,2,cat,north\n3,4,dog,south\n"


class Said:
    """Progress that keeps what is said."""

    def __init__(self):
        self.sentences = []

    def say(self, sentence):
        self.sentences.append(sentence)

    def task(self, *args, **options):
        from gapscope.core.progress import SILENT

        return SILENT.task(*args, **options)


@pytest.mark.parametrize(
    ("name", "options", "said", "unsaid"),
    [
        ("rows.csv", {}, "ignored columns: site; --keep", "is stored as"),
        ("rows.csv", {"keep": ("site",)}, "no path column", "ignored"),
        ("test.csv", {}, "test.csv is stored as the split train", "label column"),
        ("test.csv", {"split": "test"}, "ignored columns: site", "is stored as"),
        ("train_test.csv", {}, "ignored columns: site", "is stored as"),
    ],
)
def test_columns_and_splits_are_said_as_they_are(name, options, said, unsaid, tmp_path):
    (tmp_path / name).write_text(CONTENT)
    heard = Said()
    config = ImportFeaturesConfig((str(tmp_path / name),), dataset="d", workspace=str(tmp_path / "w"), **options)
    run(config, heard)
    together = " ".join(heard.sentences)
    assert said in together
    assert unsaid not in together
