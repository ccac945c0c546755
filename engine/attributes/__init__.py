"""Numbers that describe an image in words that people use: how light, how sharp, how large. A registry line each."""

from gapscope.core.registry import Registry

ATTRIBUTES = Registry(
    "attribute",
    {
        "luminance": "gapscope.attributes.tones:LUMINANCE",
        "luminance-low": "gapscope.attributes.tones:LOW",
        "luminance-high": "gapscope.attributes.tones:HIGH",
        "contrast": "gapscope.attributes.tones:CONTRAST",
        "entropy": "gapscope.attributes.tones:ENTROPY",
        "saturation": "gapscope.attributes.colours:SATURATION",
        "colourfulness": "gapscope.attributes.colours:COLOURFULNESS",
        "warmth": "gapscope.attributes.colours:WARMTH",
        "tint": "gapscope.attributes.colours:TINT",
        "grey": "gapscope.attributes.colours:GREY",
        "sharpness": "gapscope.attributes.texture:SHARPNESS",
        "high-frequencies": "gapscope.attributes.texture:HIGH_FREQUENCIES",
        "noise": "gapscope.attributes.texture:NOISE",
        "edges": "gapscope.attributes.texture:EDGES",
        "blockiness": "gapscope.attributes.texture:BLOCKINESS",
        "flat-border": "gapscope.attributes.texture:FLAT_BORDER",
        "width": "gapscope.attributes.files:WIDTH",
        "height": "gapscope.attributes.files:HEIGHT",
        "aspect": "gapscope.attributes.files:ASPECT",
        "bytes-per-pixel": "gapscope.attributes.files:BYTES_PER_PIXEL",
        "jpeg-quality": "gapscope.attributes.files:JPEG_QUALITY",
        "taken": "gapscope.attributes.files:TAKEN",
        "hour": "gapscope.attributes.files:HOUR",
    },
)
