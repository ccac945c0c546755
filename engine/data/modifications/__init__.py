"""The modifications known by name, one file each: a function of an image, a severity from 1 to 5 and a generator."""

from engine.core.registry import Registry

MODIFICATIONS = Registry(
    "modification",
    {
        "night": "engine.data.modifications.night:night",
        "dark-mode": "engine.data.modifications.dark_mode:dark_mode",
        "low-light": "engine.data.modifications.low_light:low_light",
        "blur": "engine.data.modifications.blur:blur",
        "motion-blur": "engine.data.modifications.motion_blur:motion_blur",
        "defocus-blur": "engine.data.modifications.defocus_blur:defocus_blur",
        "zoom-blur": "engine.data.modifications.zoom_blur:zoom_blur",
        "gaussian-noise": "engine.data.modifications.gaussian_noise:gaussian_noise",
        "shot-noise": "engine.data.modifications.shot_noise:shot_noise",
        "impulse-noise": "engine.data.modifications.impulse_noise:impulse_noise",
        "brightness": "engine.data.modifications.brightness:brightness",
        "contrast": "engine.data.modifications.contrast:contrast",
        "saturation": "engine.data.modifications.saturation:saturation",
        "fog": "engine.data.modifications.fog:fog",
        "snow": "engine.data.modifications.snow:snow",
        "rain": "engine.data.modifications.rain:rain",
        "jpeg": "engine.data.modifications.jpeg:jpeg",
        "pixelate": "engine.data.modifications.pixelate:pixelate",
        "elastic": "engine.data.modifications.elastic:elastic",
        "rotation": "engine.data.modifications.rotation:rotation",
        "translation": "engine.data.modifications.translation:translation",
        "scale": "engine.data.modifications.scale:scale",
        "occlusion": "engine.data.modifications.occlusion:occlusion",
        "grayscale": "engine.data.modifications.grayscale:grayscale",
        "invert": "engine.data.modifications.invert:invert",
        "posterise": "engine.data.modifications.posterise:posterise",
        "equalise": "engine.data.modifications.equalise:equalise",
    },
)
