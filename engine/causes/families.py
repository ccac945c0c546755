"""What each modification is as a cause: its family, where on the way from scene to file it happens, and its words."""

from typing import NamedTuple

# The way of an image from the scene to the file; of two causes, that of the earlier stage is applied first.
# A picture is cropped, turned and fitted into a frame with the noise that it has.
FRAMING, SCENE, LIGHT, LENS, SENSOR, CROPPING, FILE, EDITING = range(8)
DARK, BRIGHT, COLOUR, TONES = "less light", "more light", "colour", "contrast and tones"
BLUR, SHARP, NOISE, WEATHER, COVERED = "blur", "sharpening", "noise", "weather", "covered parts"
SMALL, GEOMETRY, ORIENTATION = "compression and resolution", "framing and geometry", "orientation"
NEGATIVE, PATTERN, OWN = "negative", "pattern of a screen or a print", "your own"


class Kind(NamedTuple):
    """The family of a cause, its stage, and what it is in a few words."""

    family: str
    stage: int
    words: str


KINDS = {
    "night": Kind(DARK, LIGHT, "darker, with cooler colours"),
    "low-light": Kind(DARK, LIGHT, "darker and noisier, under warm lamps"),
    "underexposed": Kind(DARK, LIGHT, "darker, as by too short an exposure"),
    "gamma-dark": Kind(DARK, LIGHT, "darker in the mid-tones, with white as it was"),
    "vignette": Kind(DARK, LENS, "darker towards the corners"),
    "shadow": Kind(DARK, LIGHT, "partly in shadow"),
    "brightness": Kind(BRIGHT, LIGHT, "brighter, with the same colours"),
    "overexposed": Kind(BRIGHT, LIGHT, "brighter, as by too long an exposure"),
    "gamma-bright": Kind(BRIGHT, LIGHT, "lighter in the mid-tones, with black as it was"),
    "flare": Kind(BRIGHT, LENS, "with a light that shines into the lens"),
    "warm": Kind(COLOUR, LIGHT, "a warm cast, more red and less blue"),
    "cool": Kind(COLOUR, LIGHT, "a cool cast, more blue and less red"),
    "green": Kind(COLOUR, LIGHT, "a green cast"),
    "magenta": Kind(COLOUR, LIGHT, "a magenta cast"),
    "bgr-order": Kind(COLOUR, FILE, "red and blue exchanged"),
    "hue": Kind(COLOUR, EDITING, "other hues"),
    "saturation": Kind(COLOUR, EDITING, "paler colours, or glaring ones at severity 3 and above"),
    "grayscale": Kind(COLOUR, EDITING, "less colour, down to grey"),
    "sepia": Kind(COLOUR, EDITING, "browner, as old prints"),
    "contrast": Kind(TONES, LIGHT, "less contrast"),
    "high-contrast": Kind(TONES, EDITING, "more contrast, shadows and highlights lost"),
    "posterise": Kind(TONES, EDITING, "fewer levels"),
    "equalise": Kind(TONES, EDITING, "tones spread evenly"),
    "fog": Kind(WEATHER, SCENE, "fog"),
    "haze": Kind(WEATHER, SCENE, "an even veil of haze"),
    "snow": Kind(WEATHER, SCENE, "snow"),
    "rain": Kind(WEATHER, SCENE, "rain"),
    "blur": Kind(BLUR, LENS, "evenly blurred"),
    "motion-blur": Kind(BLUR, LENS, "blurred by motion"),
    "defocus-blur": Kind(BLUR, LENS, "out of focus"),
    "zoom-blur": Kind(BLUR, LENS, "blurred by zooming"),
    "smoothed": Kind(BLUR, EDITING, "smoothed, with texture gone and edges kept"),
    "sharpened": Kind(SHARP, EDITING, "sharpened, edges exaggerated"),
    "gaussian-noise": Kind(NOISE, SENSOR, "noisier, everywhere alike"),
    "sensor-noise": Kind(NOISE, SENSOR, "a little noisier, as by a sensor in poor light"),
    "grain": Kind(NOISE, SENSOR, "noisier, the same in all channels"),
    "shot-noise": Kind(NOISE, SENSOR, "noisier, as of few photons"),
    "impulse-noise": Kind(NOISE, SENSOR, "noisier, by defective pixels"),
    "jpeg": Kind(SMALL, FILE, "compressed by JPEG"),
    "strong-jpeg": Kind(SMALL, FILE, "compressed by JPEG at low quality"),
    "pixelate": Kind(SMALL, FILE, "fewer, larger pixels"),
    "aliased": Kind(SMALL, FILE, "resized by nearest pixels"),
    "low-resolution": Kind(SMALL, FILE, "resized from fewer pixels"),
    "webcam": Kind(SMALL, FILE, "resized from fewer pixels and compressed by JPEG"),
    "close-up": Kind(GEOMETRY, CROPPING, "closer crops"),
    "wide-view": Kind(GEOMETRY, FRAMING, "a wider view, objects smaller"),
    "framed": Kind(GEOMETRY, CROPPING, "smaller, in a black frame"),
    "letterboxed": Kind(GEOMETRY, CROPPING, "between black bars above and below"),
    "pillarboxed": Kind(GEOMETRY, CROPPING, "between black bars left and right"),
    "barrel": Kind(GEOMETRY, CROPPING, "bulging, as by a wide lens"),
    "white-framed": Kind(GEOMETRY, CROPPING, "smaller, in a white frame"),
    "perspective": Kind(GEOMETRY, FRAMING, "seen from one side"),
    "scale": Kind(GEOMETRY, FRAMING, "nearer or further away"),
    "stretched": Kind(GEOMETRY, CROPPING, "wider than it was"),
    "squeezed": Kind(GEOMETRY, CROPPING, "taller than it was"),
    "translation": Kind(GEOMETRY, FRAMING, "off the centre"),
    "rotation": Kind(GEOMETRY, FRAMING, "turned"),
    "tilted": Kind(GEOMETRY, CROPPING, "turned, with black corners"),
    "sideways": Kind(ORIENTATION, FILE, "lying on their side"),
    "upside-down": Kind(ORIENTATION, FILE, "upside down"),
    "mirrored": Kind(ORIENTATION, FILE, "left and right exchanged"),
    "elastic": Kind(GEOMETRY, FRAMING, "bent"),
    "occlusion": Kind(COVERED, SCENE, "partly covered"),
    "cutout": Kind(COVERED, EDITING, "partly blacked out"),
    "scratched": Kind(COVERED, EDITING, "scratched"),
    "captioned": Kind(COVERED, EDITING, "with a bar of text"),
    "scan-lines": Kind(PATTERN, FILE, "with the lines of a screen"),
    "halftone": Kind(PATTERN, FILE, "printed in dots"),
    "dark-mode": Kind(NEGATIVE, EDITING, "light and dark exchanged, with the same colours"),
    "invert": Kind(NEGATIVE, EDITING, "a negative"),
}
