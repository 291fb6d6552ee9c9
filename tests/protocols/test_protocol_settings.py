import pytest

from crosscorpus.base import known_names, paths
from crosscorpus.protocols import protocol_settings


def test_without_overrides_the_values_are_the_files():
    values = protocol_settings.load()
    assert values["emotions"] == ["anger", "disgust", "fear", "happiness", "sadness"]
    assert (values["n_folds"], values["batch_size"], values["epochs"]) == (5, 32, 20)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("epochs=5", "epochs", 5),
        (" epochs = 5 , ", "epochs", 5),
        ("dropout=0.5", "dropout", 0.5),
        ("dropout=0", "dropout", 0.0),
        ("learning_rate=0.0001", "learning_rate", 0.0001),
        ("learning_rate=1e-4", "learning_rate", 0.0001),
        ("scaling=none", "scaling", "none"),
        ("fcn_widths=256 90", "fcn_widths", [256, 90]),
        ("fcn_widths=90", "fcn_widths", [90]),
        ("emotions=anger sadness", "emotions", ["anger", "sadness"]),
    ],
)
def test_text_overrides_one_setting(text, name, value):
    values = protocol_settings.load(text)
    assert values == protocol_settings.load() | {name: value}
    assert type(values[name]) is type(value)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("emotions=anger,fear,sadness", {"emotions": ["anger", "fear", "sadness"]}),
        ("emotions=anger, fear sadness", {"emotions": ["anger", "fear", "sadness"]}),
        ("emotions=anger,fear,epochs=5", {"emotions": ["anger", "fear"], "epochs": 5}),
        ("epochs=5,fcn_widths=256,90,dropout=0.5", {"epochs": 5, "fcn_widths": [256, 90], "dropout": 0.5}),
        (
            "emotions=anger,fear,profiles/variants/no-scaling.yaml",
            {"emotions": ["anger", "fear"], "scaling": "none"},
        ),
    ],
)
def test_a_list_goes_on_over_commas_up_to_the_next_setting(text, changed):
    assert protocol_settings.changes(protocol_settings.load(text)) == changed


@pytest.mark.parametrize(
    "text", ["epochs=5,7", "7", "scaling=none,fear", "profiles/variants/no-scaling.yaml,fear"]
)
def test_only_a_list_goes_on_over_commas(text):
    with pytest.raises(ValueError, match="has no '='"):
        protocol_settings.load(text)


def test_text_overrides_several_settings():
    values = protocol_settings.load("epochs=5,dropout=0.5,fcn_widths=256 90")
    assert (values["epochs"], values["dropout"], values["fcn_widths"]) == (5, 0.5, [256, 90])


def test_a_dict_overrides_settings():
    values = protocol_settings.load({"epochs": 5, "svm_c": 2, "cnn_widths": [128, 64]})
    assert (values["epochs"], values["svm_c"], values["cnn_widths"]) == (5, 2.0, [128, 64])
    assert isinstance(values["svm_c"], float)


@pytest.mark.parametrize("nothing", ["", " ", ",", {}])
def test_no_overrides_change_nothing(nothing):
    assert protocol_settings.load(nothing) == protocol_settings.load()


def test_one_run_does_not_change_the_next():
    protocol_settings.load()["fcn_widths"].append(7)
    protocol_settings.load("epochs=5")
    assert protocol_settings.load()["fcn_widths"] == [512, 90]
    assert protocol_settings.load()["epochs"] == 20


@pytest.mark.parametrize("overrides", ["epoch=5", {"epoch": 5}])
def test_an_unknown_setting_is_refused_with_a_suggestion(overrides):
    with pytest.raises(known_names.UnknownNameError, match=r"unknown setting 'epoch'; did you mean 'epochs'\?"):
        protocol_settings.load(overrides)


@pytest.mark.parametrize(
    ("overrides", "setting"),
    [
        ("epochs=many", "epochs"),
        ("epochs=2.5", "epochs"),
        ("epochs=true", "epochs"),
        ("epochs=", "epochs"),
        ("dropout=high", "dropout"),
        ("dropout=true", "dropout"),
        ("scaling=3", "scaling"),
        ("fcn_widths=wide 90", "fcn_widths"),
        ("fcn_widths=25.6", "fcn_widths"),
        ({"fcn_widths": 90}, "fcn_widths"),
        ({"fcn_widths": ["wide"]}, "fcn_widths"),
        ({"epochs": "5"}, "epochs"),
        ({"epochs": None}, "epochs"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(overrides, setting):
    with pytest.raises(ValueError, match=setting):
        protocol_settings.load(overrides)


OUTSIDE = {
    "epochs": ("0", "-1"),
    "batch_size": ("0", "-32"),
    "patience": ("0",),
    "validation_share": ("0", "-0.1", "0.51", "0.9", "1", "nan"),
    "dropout": ("1", "1.5", "-0.1", "nan"),
    "learning_rate": ("0", "-1", "2", "inf", "nan"),
    "fcn_widths": ("0", "512 0", "-1 90", "65537"),
    "cnn_widths": ("0",),
    "cnn_filters": ("0",),
    "cnn_kernel": ("0", "26"),
    "cnn_pool": ("0", "9"),
    "fixed_epochs_below": ("-1",),
    "logistic_c": ("0", "-1", "inf"),
    "svm_c": ("0", "nan"),
    "emotions": ("anger", "anger anger fear", "anger,fear,anger"),
    "n_folds": ("1", "0"),
    "layer": ("-1", "first", "1.5"),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in OUTSIDE.items() for value in values]
)
def test_a_value_outside_its_range_is_refused_with_the_range(name, value):
    with pytest.raises(ValueError, match=rf"setting {name}: .* (allowed is|is there twice)"):
        protocol_settings.load(f"{name}={value}")


def test_the_message_says_setting_value_and_range():
    with pytest.raises(ValueError, match=r"^setting dropout: 1\.0 is not allowed; allowed is 0 or more, below 1$"):
        protocol_settings.load("dropout=1")
    with pytest.raises(ValueError, match=r"^setting emotions: 'fear' is there twice; name each once$"):
        protocol_settings.load("emotions=fear anger fear")


def test_every_setting_that_has_a_number_has_a_value_that_is_refused():
    choices = {name for name, entry in protocol_settings.entries().items() if "enum" in entry["allowed"]}
    assert set(OUTSIDE) == set(protocol_settings.load()) - choices


@pytest.mark.parametrize("name", ["activation", "kept_weights", "optimizer", "scaling"])
def test_an_unknown_choice_is_refused_with_the_known_ones(name):
    with pytest.raises(
        known_names.UnknownNameError, match=f"unknown {name} 'nothing'.*{protocol_settings.load()[name]}"
    ):
        protocol_settings.load(f"{name}=nothing")


def test_a_file_and_a_dict_are_checked_as_text_is(variant):
    for overrides in (variant("epochs: 0\n"), {"epochs": 0}):
        with pytest.raises(ValueError, match="setting epochs: 0 is not allowed; allowed is 1 or more"):
            protocol_settings.load(overrides)


def test_text_without_an_equals_sign_is_refused():
    with pytest.raises(ValueError, match=r"override 'epochs' has no '='; write it as name=value"):
        protocol_settings.load("epochs")


def test_an_unknown_scaling_is_refused_with_a_suggestion():
    with pytest.raises(known_names.UnknownNameError, match="did you mean 'standardise'"):
        protocol_settings.load("scaling=standardize")


def test_an_emotion_that_no_corpus_has_is_refused():
    with pytest.raises(known_names.UnknownNameError, match="joyy"):
        protocol_settings.load("emotions=anger joyy")


def test_the_table_tells_where_each_value_is_from():
    origin = protocol_settings.table().set_index("setting")["origin"]
    assert origin["epochs"] == "paper"
    assert origin["dropout"] == "this project"
    assert set(origin) == {"paper", "this project"}


def test_the_table_shows_values_as_they_are():
    assert protocol_settings.table().set_index("setting")["value"]["learning_rate"] == "0.001"
    shown = protocol_settings.table("learning_rate=0.00025").set_index("setting")["value"]
    for name, value in protocol_settings.load("learning_rate=0.00025").items():
        values = value if isinstance(value, list) else [value]
        assert [type(one)(text) for one, text in zip(values, shown[name].split(", "), strict=True)] == values


def test_the_table_marks_what_a_run_overrides():
    table = protocol_settings.table("epochs=5,dropout=0.5,fcn_widths=256 90").set_index("setting")
    changed = table[table["origin"] == "this run"]
    assert list(changed.index) == ["fcn_widths", "dropout", "epochs"]
    assert list(changed["value"]) == ["256, 90", "0.5", "5"]


def test_a_value_that_is_given_as_it_is_is_not_overridden():
    assert "this run" not in set(protocol_settings.table("epochs=20,dropout=0.3")["origin"])


def test_every_setting_has_a_row_with_a_reason():
    table = protocol_settings.table()
    assert list(table["setting"]) == list(protocol_settings.load())
    assert (table["why"].str.len() > 10).all()


# -- variants -------------------------------------------------------------------------------------------------


@pytest.fixture
def variant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="mine.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return write


def test_a_file_overrides_settings(variant):
    values = protocol_settings.load(variant("dropout: 0\nfcn_widths: [256, 90]\n"))
    assert values == protocol_settings.load() | {"dropout": 0.0, "fcn_widths": [256, 90]}


def test_what_comes_later_wins(variant):
    file = variant("epochs: 5\ndropout: 0.5\n")
    assert protocol_settings.load(f"{file},epochs=7")["epochs"] == 7
    assert protocol_settings.load(f"epochs=7, {file}")["epochs"] == 5
    assert protocol_settings.load(f"{file},epochs=7")["dropout"] == 0.5


def test_files_are_found_below_the_projects_root_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert protocol_settings.load("profiles/variants/no-scaling.yaml")["scaling"] == "none"
    (file,) = protocol_settings.files("profiles/variants/no-scaling.yaml,epochs=5")
    assert file == paths.ROOT / "profiles" / "variants" / "no-scaling.yaml"


def test_text_names_no_files():
    assert protocol_settings.files("epochs=5,dropout=0.5") == []


def test_a_misspelt_setting_of_a_file_is_refused_with_file_and_suggestion(variant):
    with pytest.raises(
        known_names.UnknownNameError, match=r"setting of .*mine\.yaml 'epoch'; did you mean 'epochs'"
    ):
        protocol_settings.load(variant("epoch: 5\n"))


def test_a_wrong_value_of_a_file_is_refused(variant):
    with pytest.raises(ValueError, match="setting epochs: 'many' is no int"):
        protocol_settings.load(variant("epochs: many\n"))


@pytest.mark.parametrize("text", ["", "# nothing\n", "- epochs\n", "epochs"])
def test_a_file_without_settings_is_refused(variant, text):
    with pytest.raises(ValueError, match=r"mine\.yaml: holds no settings"):
        protocol_settings.load(variant(text))


def test_a_file_that_is_no_yaml_is_refused(variant):
    with pytest.raises(ValueError, match=r"mine\.yaml: not YAML"):
        protocol_settings.load(variant("a: [1\n"))


def test_a_file_that_is_not_there_is_an_error_that_says_where_variants_are():
    with pytest.raises(FileNotFoundError, match=r"nothing\.yaml.*profiles/variants"):
        protocol_settings.load("nothing.yaml")


@pytest.mark.parametrize("file", sorted((paths.ROOT / "profiles" / "variants").iterdir()), ids=lambda f: f.stem)
def test_every_variant_of_the_project_changes_something(file):
    assert protocol_settings.changes(protocol_settings.load(f"profiles/variants/{file.name}"))


def test_changes_are_what_differs_from_the_file():
    assert protocol_settings.changes(protocol_settings.load("epochs=5,dropout=0.3")) == {"epochs": 5}
    assert protocol_settings.changes(protocol_settings.load()) == {}
