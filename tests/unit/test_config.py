"""Options from yaml, Python and the shell take one way, and say what is wrong with them."""

from pathlib import Path

import pytest

from head3d.config import Config, arguments_from_yaml, config_yaml, load_config, preset_names, preset_text
from head3d.errors import ConfigError


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads(name: str):
    assert isinstance(load_config(name), Config)


def test_presets_hold_differences_only():
    for name in preset_names():
        for argument in [word for word in arguments_from_yaml(preset_text(name), where=name) if word.startswith("--")]:
            assert config_yaml(load_config(name)) != config_yaml(Config()), (name, argument)


def test_the_resolved_config_reads_back_the_same(tmp_path: Path):
    config = load_config("test", "--train.steps", "7")
    path = tmp_path / "config.yaml"
    path.write_text(config_yaml(config))
    assert load_config(path) == config


def test_overrides_win_over_the_preset():
    assert load_config("test", "--views.size_px", "33").views.size_px == 33
    assert load_config("test", "--views.size-px", "33").views.size_px == 33


def test_numbers_that_yaml_reads_as_text_work():
    arguments = arguments_from_yaml("train: {geometry_rate: 2e-4}", where="x")
    assert load_config("", *arguments).train.geometry_rate == 2e-4


def test_unknown_preset_names_the_nearest():
    with pytest.raises(ConfigError, match="no preset 'qualty'") as caught:
        load_config("qualty")
    assert caught.value.hint == "Perhaps you meant quality."


def test_unknown_key_names_the_nearest():
    with pytest.raises(ConfigError, match=r"Unrecognized options: --train\.stpes") as caught:
        load_config("", "--train.stpes", "5")
    assert caught.value.hint == "Perhaps you meant --train.steps."


def test_several_unknown_keys_name_a_near_one_and_no_help_text():
    with pytest.raises(ConfigError) as caught:
        load_config("", "--views", "front", "--gate", "off")
    assert caught.value.message == "options: Unrecognized options: --views, front, --gate, off."
    assert caught.value.hint.startswith(("Perhaps you meant --views.", "Perhaps you meant --gate."))


def test_an_endless_value_is_cut_short():
    with pytest.raises(ConfigError, match=r"^options: Unrecognized options: --nothing, x+") as caught:
        load_config("", "--nothing", "x" * 9000)
    assert len(caught.value.message) < 1100


@pytest.mark.parametrize("arguments", [("--train.steps", "many"), ("--train.seed", "x"), ("--views.light",)])
def test_a_wrong_value_names_its_option(arguments: tuple[str, ...]):
    with pytest.raises(ConfigError, match=arguments[0]):
        load_config("", *arguments)


@pytest.mark.parametrize("text", ["on: 3", "3: 4", "- a\n- b", "a: [1", "just text"])
def test_yaml_that_is_no_mapping_of_words_is_refused(text: str):
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        arguments_from_yaml(text, where="mine.yaml")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_config(tmp_path / "none.yaml")


def test_empty_yaml_is_the_defaults():
    assert arguments_from_yaml("", where="x") == []
