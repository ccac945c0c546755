"""One file per command: a frozen configuration and a function that runs it."""

from gapscope.core.registry import Registry

JOBS = Registry(
    "job",
    {
        "augment": "gapscope.jobs.augment:run",
        "backbones": "gapscope.jobs.backbones:run",
        "datasets": "gapscope.jobs.datasets:run",
        "demo": "gapscope.jobs.demo:run",
        "explore": "gapscope.jobs.explore:run",
        "report": "gapscope.jobs.report_page:run",
        "extract": "gapscope.jobs.extract:run",
        "fit-incremental": "gapscope.jobs.fit_incremental:run",
        "import-csv": "gapscope.jobs.import_csv:run",
        "map": "gapscope.jobs.map:run",
        "modify-dataset": "gapscope.jobs.modify_dataset:run",
        "predict": "gapscope.jobs.predict:run",
        "refit-head": "gapscope.jobs.refit_head:run",
        "replay-head": "gapscope.jobs.replay_head:run",
        "compare": "gapscope.jobs.compare:run",
        "evaluate": "gapscope.jobs.evaluate:run",
        "forecast": "gapscope.jobs.forecast:run",
        "gap": "gapscope.jobs.gap:run",
        "shift": "gapscope.jobs.shift:run",
        "train-cnn": "gapscope.jobs.train_cnn:run",
        "study-augmentation": "gapscope.jobs.study_augmentation:run",
        "study-imagenet-v2": "gapscope.jobs.study_imagenet_v2:run",
        "study-modifications": "gapscope.jobs.study_modifications:run",
        "tune": "gapscope.jobs.tune:run",
    },
)
