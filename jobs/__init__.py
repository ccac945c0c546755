"""One file per command: a frozen configuration and a function that runs it."""

from engine.core.registry import Registry

JOBS = Registry(
    "job",
    {
        "augment": "jobs.augment:run",
        "backbones": "jobs.backbones:run",
        "datasets": "jobs.datasets:run",
        "demo": "jobs.demo:run",
        "explore": "jobs.explore:run",
        "report": "jobs.report_page:run",
        "extract": "jobs.extract:run",
        "fit-incremental": "jobs.fit_incremental:run",
        "import-csv": "jobs.import_csv:run",
        "map": "jobs.map:run",
        "modify-dataset": "jobs.modify_dataset:run",
        "predict": "jobs.predict:run",
        "refit-head": "jobs.refit_head:run",
        "replay-head": "jobs.replay_head:run",
        "compare": "jobs.compare:run",
        "evaluate": "jobs.evaluate:run",
        "forecast": "jobs.forecast:run",
        "gap": "jobs.gap:run",
        "shift": "jobs.shift:run",
        "train-cnn": "jobs.train_cnn:run",
        "study-augmentation": "jobs.study_augmentation:run",
        "study-imagenet-v2": "jobs.study_imagenet_v2:run",
        "study-modifications": "jobs.study_modifications:run",
        "tune": "jobs.tune:run",
    },
)
