"""Text towers of open_clip and functions of the user's own give a row for each text."""

import json
import sys

import numpy as np
import pytest

from gapscope.core.errors import InputError
from gapscope.words.encode import encoder_of
from gapscope.words.texts import make_texts

SMALL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "patch_size": 16, "head_width": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def test_the_text_tower_of_a_file_of_weights_is_that_of_open_clip(tmp_path):
    import open_clip
    import torch
    from safetensors.torch import save_file

    (tmp_path / "small-for-tests.json").write_text(json.dumps(SMALL))
    open_clip.add_model_config(tmp_path / "small-for-tests.json")
    model = open_clip.create_model("small-for-tests", pretrained=None).eval()
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, tmp_path / "w.safetensors")
    texts = ["a dark photo", "a photo of a cat"]
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer("small-for-tests")(texts)).numpy()
    found = encoder_of(f"open_clip:small-for-tests/{tmp_path / 'w.safetensors'}")(texts)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(
        InputError, match=r"cannot be loaded: .*; name a file .* --encoder open_clip:small-for-tests/FILE"
    ):
        encoder_of("open_clip:small-for-tests/nowhere")
    with pytest.raises(InputError, match="no model 'no-such-model'"):
        encoder_of("open_clip:no-such-model/x")


def test_a_function_of_the_users_own_is_called_with_texts(tmp_path, monkeypatch):
    (tmp_path / "own_texts.py").write_text(
        "import numpy as np\ndef encode(texts):\n    return np.array([[len(one), 1.0] for one in texts])\n"
        "def wrong(texts):\n    return np.ones((1, 2))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert encoder_of("own_texts:encode")(["abc", "d"]).tolist() == [[3.0, 1.0], [1.0, 1.0]]
    with pytest.raises(InputError, match="wanted a row a text"):
        make_texts("own_texts:wrong", encoder_of("own_texts:wrong"))
    with pytest.raises(InputError, match="there is no function"):
        encoder_of("own_texts:absent")
    sys.modules.pop("own_texts", None)


def test_without_open_clip_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(InputError, match=r'pip install "gapscope\[text\]"'):
        encoder_of("open_clip:ViT-B-32/openai")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("clip", "names no function"),
        ("no_such_module:encode", "No module named 'no_such_module'"),
        ("math:encode", "has no attribute 'encode'"),
        ("math:pi", "is float and no function"),
    ],
)
def test_an_encoder_that_is_none_is_refused_with_what_encoders_are(name, reason):
    with pytest.raises(InputError, match=f"{reason}.*a function that makes vectors") as refused:
        encoder_of(name)
    assert "torch.nn.Module" not in str(refused.value)
