"""Options are said once, and the reference of all commands is made from them."""

from dataclasses import fields

from command_reference import PAGE, hints_of, option_of, page

from gapscope.jobs import COMMANDS, configuration_of


def test_the_page_is_what_the_options_say():
    assert PAGE.read_text() == page(), "run: python tests/command_reference.py"


def test_no_option_has_two_help_texts():
    texts = {}
    for name in COMMANDS:
        config = configuration_of(name)
        for field, hint in zip(fields(config), hints_of(config), strict=True):
            parameter, _ = option_of(hint)
            assert parameter is not None, f"{name} --{field.name} has no help"
            assert parameter.help, f"{name} --{field.name}"
            texts.setdefault(field.name, set()).add(parameter.help)
    assert {name: found for name, found in texts.items() if len(found) > 1} == {}


def test_commands_that_look_for_datasets_honour_the_environment(monkeypatch):
    monkeypatch.setenv("GAPSCOPE_DATA", "elsewhere")
    for name in COMMANDS:
        config = configuration_of(name)
        for field in fields(config):
            if field.name == "data_root" and field.default is not None:
                assert str(field.default_factory()) == "elsewhere", name


def test_commands_that_take_labels_of_images_take_the_names_of_their_columns():
    taking = set()
    for name in COMMANDS:
        known = {one.name for one in fields(configuration_of(name))}
        if {"labels", "classes", "data_root"} <= known:
            assert {"path_column", "label_column"} <= known, name
            taking.add(name)
    assert {"extract", "predict", "train-cnn", "replay-head", "augment", "study-modifications"} <= taking
