"""The benchmark of digests runs, tiny, and times each kind."""

import json

from benchmarks import digests


def test_every_kind_of_digest_is_timed(tmp_path):
    out = tmp_path / "digests.json"
    digests.main(["--tiny", "--out", str(out)])
    found = json.loads(out.read_text())
    for name in ("import", "extraction"):
        assert min(found[name][kind] for kind in (digests.READ, digests.STORED)) > 0
        assert 0 < found[name]["share"] < 1
