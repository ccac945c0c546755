"""Four hundred phrases that say what an image is like, by what they are about; and phrases that say nothing.

A line of `TEMPLATES` makes one phrase of each of its words: ``a photo taken {}`` of "at night" and "at noon".
"""

from typing import NamedTuple

from gapscope.core.random import stream

TEMPLATES: dict[str, dict[str, str]] = {
    "light": {
        "a photo taken {}": """
            at night, at dawn, at dusk, at noon, at sunset, at sunrise, in the dark, in bright sunlight, in
            dim light, in candle light, in moonlight, in neon light, in fluorescent light, with a flash,
            with a strong flash, against the light, in the shade, in the golden hour, in artificial light,
            in daylight
        """,
        "a {} photo": """
            dark, very dark, bright, very bright, dimly lit, brightly lit, underexposed, overexposed,
            backlit, low contrast, high contrast, washed out, evenly lit, harshly lit, softly lit, moody
        """,
        "a photo with {}": """
            long shadows, hard shadows, a shadow on the object, lens flare, glare, reflections, a spotlight,
            a bright sky, blown out highlights, deep blacks, a street lamp, a car's headlights
        """,
    },
    "weather": {
        "a photo taken {}": """
            in fog, in thick fog, in mist, in rain, in heavy rain, in drizzle, in snow, in a snowstorm, in a
            storm, in a sandstorm, in hail, in haze, in smog, under a blue sky, under a cloudy sky, under a
            grey sky, in winter, in summer, in autumn, in spring, on a sunny day, on an overcast day, on a
            windy day, on a cold day, on a hot day, through a wet window
        """,
        "a photo with {}": """
            raindrops on the lens, snow on the ground, frost, ice, puddles, wet ground, smoke, dust in the
            air, a rainbow, clouds, lightning, fallen leaves, bare trees, a muddy ground
        """,
    },
    "background": {
        "a photo of something {}": """
            on grass, on sand, on snow, on gravel, on rock, on soil, on asphalt, on concrete, on a road, on
            a carpet, on a wooden floor, on a tiled floor, on a table, on a bed, on a sofa, on a shelf, on a
            plate, in water, under water, in the sea, at a lake, at a river, on a beach, in a forest, in a
            field, in a garden, in a park, in the mountains, in a desert, in a city, in a street, in front
            of a building, in front of a wall, in front of a brick wall, in a kitchen, in a living room, in
            a bathroom, in an office, in a shop, in a cage, in a zoo, in a box, in a hand, in the sky, in a
            tree, among leaves, among flowers, behind a fence, on a roof, on a bridge, on rails, on a
            runway, in a stable, on a sports field
        """,
        "a photo with {} background": """
            a white, a black, a plain, a grey, a green, a blue, a red, a brown, a blurred, a cluttered, a
            busy, a dark, a bright, a transparent, a patterned, a wooden
        """,
        "{}": """
            an indoor scene, an outdoor scene, a studio photo, a rural scene, an urban scene
        """,
    },
    "viewpoint": {
        "a photo taken {}": """
            from above, from below, from the side, from the front, from behind, from far away, from very
            close, from the air, by a drone, by a satellite, at eye level, at an angle, through glass,
            through a fence, through a microscope, by a surveillance camera, by a camera trap, by a
            dashboard camera, by a webcam, by a phone
        """,
        "{}": """
            a close-up, an extreme close-up, a macro photo, a wide shot, a panorama, a fisheye photo, a top
            view, a side view, a front view, a back view, a profile, a portrait, a full body shot, a photo
            turned upside down, a photo turned on its side, a tilted photo, a mirrored photo, a photo
            cropped at the edge, an object in a corner of the photo, an object that fills the photo, a small
            object in a large photo
        """,
    },
    "medium": {
        "{}": """
            a photograph, a black and white photo, a greyscale photo, a sepia photo, a colour photo, a
            drawing, a pencil sketch, a line drawing, a charcoal drawing, a painting, an oil painting, a
            watercolour, a cartoon, a comic, an anime picture, a clip art, a logo, an icon, a sticker, a
            poster, a postage stamp, a tattoo, graffiti, a mosaic, an embroidery, a sculpture, a statue, a
            toy, a plush toy, a plastic model, an origami, a 3D rendering, a video game screenshot, a
            computer generated image, a diagram, a map, a screenshot, a photo of a screen, a scan, a photo
            of a photo, an x-ray image, a thermal image, an infrared photo, a negative, a collage, a film
            still, an old photo, a polaroid, a silhouette, a pixel art picture
        """,
    },
    "number": {
        "a photo of {}": """
            one object, two objects, three objects, several objects, many objects, a group, a crowd, a pair,
            a pile, a row of objects, nothing, a single animal, two animals, a herd, a person, two people,
            several people, a person holding something, a person beside an object, an adult, a child, a
            hand, a face, an animal and a person, an empty scene, three people, a dozen objects, a swarm, a
            flock
        """,
    },
    "occlusion": {
        "a photo of something {}": """
            behind glass, behind bars, behind branches, behind leaves, behind a person, behind another
            object, partly hidden, mostly hidden, cut off at the edge, covered with snow, covered with
            water, covered by a hand, in a bag, in a container, inside a car, wrapped in plastic, in
            packaging, in the distance, in tall grass, in a costume, wearing clothes, under a table, under a
            blanket, behind smoke, wearing a hat, wearing a collar
        """,
        "a photo with {}": """
            a finger on the lens, an object in front, a black bar, a black border, a white border, a frame,
            a blurred region, a scratch, dirt on the lens
        """,
    },
    "text in the image": {
        "a photo with {}": """
            text, a watermark, a caption, a date stamp, a time stamp, a logo, a price tag, a label, a sign,
            a copyright notice, large letters, handwriting, numbers, a number plate, a page number, a name,
            foreign letters, a web address, subtitles, a bar code, a QR code, an advertisement, a book
            cover, arrows, a red circle, a ruler, a colour chart, a grid of lines, a user interface
        """,
    },
    "quality": {
        "a {} photo": """
            blurred, very blurred, sharp, very sharp, out of focus, motion blurred, noisy, grainy, clean,
            pixelated, low resolution, high resolution, compressed, heavily compressed, saturated,
            oversaturated, pale, colourless, colourful, reddish, bluish, greenish, yellowish, warm, cold,
            damaged, distorted, stretched, shaky, professional, amateur, good, bad, beautiful, ugly,
            strange, smooth, retouched, sooty, dusty
        """,
        "a photo with {}": """
            compression artifacts, stripes, banding, dead pixels, a colour cast, a vignette, a soft focus, a
            shallow depth of field, film grain, a double exposure, chromatic aberration, ringing at the
            edges, moire
        """,
    },
}
CLASS_GROUP, CLASS_TEMPLATE = "class", "a photo of a {}"
ONSETS, VOWELS, CODAS = (
    "b d f g k l m n p r s t v z br dr fl gr kl pr st tr".split(),
    "a e i o u".split(),
    " n r l s m".split(" "),
)
NONSENSE = 100


class Phrase(NamedTuple):
    """A phrase and what it is about."""

    text: str
    group: str


def bank(class_names: tuple[str, ...] = ()) -> list[Phrase]:
    """The phrases of `TEMPLATES`, and one for each class."""
    made = [
        Phrase(_phrase(template, word), group)
        for group, templates in TEMPLATES.items()
        for template, words in templates.items()
        for word in " ".join(words.split()).split(", ")
    ]
    classes = [Phrase(_phrase(CLASS_TEMPLATE, name), CLASS_GROUP) for name in class_names]
    return [*{one.text: one for one in [*made, *classes]}.values()]


def _phrase(template: str, word: str) -> str:
    """The template with the word in its place, after "an" where it begins with a vowel."""
    return template.replace("a {}", "an {}" if word[:1].lower() in VOWELS else "a {}").format(word)


def nonsense(count: int = NONSENSE, seed: int = 0) -> list[str]:
    """`count` phrases of words that do not exist, in the forms that those of the bank have.

    >>> len(set(nonsense())), nonsense() == nonsense(), set(nonsense()) & set(nonsense(seed=1))
    (100, True, set())
    """
    rng = stream(seed, "nonsense")
    forms = [template for templates in TEMPLATES.values() for template in templates]
    result: dict[str, None] = {}
    while len(result) < count:
        words = " ".join(_word(rng) for _ in range(int(rng.integers(1, 3))))
        result[str(rng.choice(forms)).format(words)] = None
    return list(result)


def _word(rng) -> str:
    return "".join(
        f"{rng.choice(ONSETS)}{rng.choice(VOWELS)}{rng.choice(CODAS)}" for _ in range(int(rng.integers(2, 4)))
    )
