"""Commands called from Python refuse what their options do not take, before anything is read."""

import numpy as np
import pandas as pd
import pytest

import gapscope
from gapscope.core.errors import InputError

RUN, SETS = "RUN", {"reference": "a/test", "target": "b/test"}


@pytest.mark.parametrize(
    ("command", "given", "options", "message"),
    [
        ("gap", [3], SETS, "run is 3, and must be a text"),
        ("gap", [RUN], SETS | {"model": ["lda", "ridge"]}, r"model is \('lda', 'ridge'\), and must be a text"),
        ("gap", [RUN, "a/test", "b/test"], {}, "takes 1 argument without a name and got 3; .* such as reference="),
        ("gap", [RUN], SETS | {"skip": ["domains"]}, "skip is .*, and must be one of domain, .*, or a list of such"),
        ("gap", [RUN], SETS | {"models": "lda"}, "no option of gap named 'models'; did you mean 'model'"),
        ("evaluate", [pd.DataFrame({"label": [1]})], {}, "must be a text"),
        ("fit", ["digits"], {"model": 5}, "model is 5, and must be a text, or a list of such"),
        ("fit", ["digits"], {"seed": "a"}, "seed is 'a', and must be a whole number"),
        ("fit", ["digits"], {"seed": True}, "seed is True, and must be a whole number"),
        ("fit", ["digits"], {"seed": np.int64(-1)}, "seed is -1, and must be >= 0"),
        ("fit", ["digits"], {"holdout": "a tenth"}, "holdout is 'a tenth', and must be a number"),
        ("fit", ["digits"], {"report": "no"}, "report is 'no', and must be True or False"),
        ("fit", ["digits"], {"cluster": "locals"}, "no cluster named 'locals'; did you mean 'local'"),
        ("fit", [], {}, r"fit needs dataset; see help\(gapscope.fit\)"),
        ("fit", [None], {}, "fit needs dataset"),
    ],
)
def test_a_value_of_another_kind_is_refused_in_one_sentence(command, given, options, message):
    with pytest.raises(InputError, match=message):
        getattr(gapscope, command)(*given, **options)
