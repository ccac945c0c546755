"""The modifications known by name, one file each: a function of an image, a severity from 1 to 5 and a generator."""

from gapscope.core.registry import Registry

MODIFICATIONS = Registry(
    "modification",
    {
        "night": "gapscope.data.modifications.night:night",
        "dark-mode": "gapscope.data.modifications.dark_mode:dark_mode",
        "low-light": "gapscope.data.modifications.low_light:low_light",
        "blur": "gapscope.data.modifications.blur:blur",
        "motion-blur": "gapscope.data.modifications.motion_blur:motion_blur",
        "defocus-blur": "gapscope.data.modifications.defocus_blur:defocus_blur",
        "zoom-blur": "gapscope.data.modifications.zoom_blur:zoom_blur",
        "gaussian-noise": "gapscope.data.modifications.gaussian_noise:gaussian_noise",
        "shot-noise": "gapscope.data.modifications.shot_noise:shot_noise",
        "impulse-noise": "gapscope.data.modifications.impulse_noise:impulse_noise",
        "brightness": "gapscope.data.modifications.brightness:brightness",
        "contrast": "gapscope.data.modifications.contrast:contrast",
        "saturation": "gapscope.data.modifications.saturation:saturation",
        "fog": "gapscope.data.modifications.fog:fog",
        "snow": "gapscope.data.modifications.snow:snow",
        "rain": "gapscope.data.modifications.rain:rain",
        "jpeg": "gapscope.data.modifications.jpeg:jpeg",
        "pixelate": "gapscope.data.modifications.pixelate:pixelate",
        "elastic": "gapscope.data.modifications.elastic:elastic",
        "rotation": "gapscope.data.modifications.rotation:rotation",
        "translation": "gapscope.data.modifications.translation:translation",
        "scale": "gapscope.data.modifications.scale:scale",
        "occlusion": "gapscope.data.modifications.occlusion:occlusion",
        "grayscale": "gapscope.data.modifications.grayscale:grayscale",
        "invert": "gapscope.data.modifications.invert:invert",
        "posterise": "gapscope.data.modifications.posterise:posterise",
        "equalise": "gapscope.data.modifications.equalise:equalise",
    },
)
