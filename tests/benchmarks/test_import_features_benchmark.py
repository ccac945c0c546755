"""The benchmark of importing features runs from end to end at a size that takes seconds."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "import_features.py"


def test_the_benchmark_prints_speed_and_memory():
    found = subprocess.run([sys.executable, str(SCRIPT), "--tiny"], check=True, capture_output=True, text=True).stdout
    assert [line.split()[0] for line in found.splitlines() if not line.startswith(" ")][:2] == ["npy", "parquet"]
    assert found.count("whole import") == 2
    assert found.splitlines()[-1].startswith("peak memory of the large run / of the small one:")
