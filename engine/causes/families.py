"""What each modification is as a cause: its family, where on the way from scene to file it happens, and its words."""

from typing import NamedTuple

# The way of an image from the scene to the file; of two causes, that of the earlier stage is applied first.
FRAMING, SCENE, LIGHT, LENS, SENSOR, FILE, EDITING = range(7)
DARK, BRIGHT, COLOUR, TONES = "less light", "more light", "colour", "contrast and tones"
BLUR, NOISE, WEATHER, COVERED = "blur", "noise", "weather", "covered parts"
SMALL, GEOMETRY, NEGATIVE, OWN = "compression and resolution", "framing and geometry", "negative", "your own"


class Kind(NamedTuple):
    """The family of a cause, its stage, and what it is in a few words."""

    family: str
    stage: int
    words: str


KINDS = {
    "night": Kind(DARK, LIGHT, "darker, with cooler colours"),
    "low-light": Kind(DARK, LIGHT, "darker and noisier, under warm lamps"),
    "underexposed": Kind(DARK, LIGHT, "darker: too short an exposure"),
    "brightness": Kind(BRIGHT, LIGHT, "brighter, with the same colours"),
    "overexposed": Kind(BRIGHT, LIGHT, "brighter: too long an exposure"),
    "warm": Kind(COLOUR, LIGHT, "a warm cast, more red and less blue"),
    "cool": Kind(COLOUR, LIGHT, "a cool cast, more blue and less red"),
    "green": Kind(COLOUR, LIGHT, "a green cast"),
    "magenta": Kind(COLOUR, LIGHT, "a magenta cast"),
    "saturation": Kind(COLOUR, EDITING, "paler colours, or glaring ones at severity 3 and above"),
    "grayscale": Kind(COLOUR, EDITING, "less colour, down to grey"),
    "contrast": Kind(TONES, LIGHT, "less contrast"),
    "posterise": Kind(TONES, EDITING, "fewer levels"),
    "equalise": Kind(TONES, EDITING, "tones spread evenly"),
    "fog": Kind(WEATHER, SCENE, "fog"),
    "snow": Kind(WEATHER, SCENE, "snow"),
    "rain": Kind(WEATHER, SCENE, "rain"),
    "blur": Kind(BLUR, LENS, "evenly blurred"),
    "motion-blur": Kind(BLUR, LENS, "blurred by motion"),
    "defocus-blur": Kind(BLUR, LENS, "out of focus"),
    "zoom-blur": Kind(BLUR, LENS, "blurred by zooming"),
    "gaussian-noise": Kind(NOISE, SENSOR, "noisier, everywhere alike"),
    "shot-noise": Kind(NOISE, SENSOR, "noisier, as of few photons"),
    "impulse-noise": Kind(NOISE, SENSOR, "noisier, by defective pixels"),
    "jpeg": Kind(SMALL, FILE, "compressed by JPEG"),
    "pixelate": Kind(SMALL, FILE, "fewer, larger pixels"),
    "low-resolution": Kind(SMALL, FILE, "resized from fewer pixels"),
    "webcam": Kind(SMALL, FILE, "resized from fewer pixels and compressed by JPEG"),
    "close-up": Kind(GEOMETRY, FRAMING, "closer crops"),
    "wide-view": Kind(GEOMETRY, FRAMING, "a wider view, objects smaller"),
    "scale": Kind(GEOMETRY, FRAMING, "nearer or further away"),
    "translation": Kind(GEOMETRY, FRAMING, "off the centre"),
    "rotation": Kind(GEOMETRY, FRAMING, "turned"),
    "elastic": Kind(GEOMETRY, FRAMING, "bent"),
    "occlusion": Kind(COVERED, SCENE, "partly covered"),
    "dark-mode": Kind(NEGATIVE, EDITING, "light and dark exchanged, with the same colours"),
    "invert": Kind(NEGATIVE, EDITING, "a negative"),
}
