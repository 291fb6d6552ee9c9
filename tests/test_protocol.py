import pytest

from crosscorpus import names, paths, protocol


def test_without_overrides_the_values_are_the_files():
    values = protocol.load()
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
    values = protocol.load(text)
    assert values == protocol.load() | {name: value}
    assert type(values[name]) is type(value)


def test_text_overrides_several_settings():
    values = protocol.load("epochs=5,dropout=0.5,fcn_widths=256 90")
    assert (values["epochs"], values["dropout"], values["fcn_widths"]) == (5, 0.5, [256, 90])


def test_a_dict_overrides_settings():
    values = protocol.load({"epochs": 5, "dropout": 1, "cnn_widths": [128, 64]})
    assert (values["epochs"], values["dropout"], values["cnn_widths"]) == (5, 1.0, [128, 64])
    assert isinstance(values["dropout"], float)


@pytest.mark.parametrize("nothing", ["", " ", ",", {}])
def test_no_overrides_change_nothing(nothing):
    assert protocol.load(nothing) == protocol.load()


def test_one_run_does_not_change_the_next():
    protocol.load()["fcn_widths"].append(7)
    protocol.load("epochs=5")
    assert protocol.load()["fcn_widths"] == [512, 90]
    assert protocol.load()["epochs"] == 20


@pytest.mark.parametrize("overrides", ["epoch=5", {"epoch": 5}])
def test_an_unknown_setting_is_refused_with_a_suggestion(overrides):
    with pytest.raises(names.UnknownNameError, match=r"unknown setting 'epoch'; did you mean 'epochs'\?"):
        protocol.load(overrides)


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
        protocol.load(overrides)


def test_text_without_an_equals_sign_is_refused():
    with pytest.raises(ValueError, match=r"override 'epochs' has no '='; write it as name=value"):
        protocol.load("epochs")


def test_an_unknown_scaling_is_refused_with_a_suggestion():
    with pytest.raises(names.UnknownNameError, match="did you mean 'standardise'"):
        protocol.load("scaling=standardize")


def test_an_emotion_that_no_corpus_has_is_refused():
    with pytest.raises(names.UnknownNameError, match="joyy"):
        protocol.load("emotions=anger joyy")


def test_the_table_tells_where_each_value_is_from():
    origin = protocol.table().set_index("setting")["origin"]
    assert origin["epochs"] == "paper"
    assert origin["dropout"] == "this project"
    assert set(origin) == {"paper", "this project"}


def test_the_table_marks_what_a_run_overrides():
    table = protocol.table("epochs=5,dropout=0.5,fcn_widths=256 90").set_index("setting")
    changed = table[table["origin"] == "this run"]
    assert list(changed.index) == ["fcn_widths", "dropout", "epochs"]
    assert list(changed["value"]) == ["256, 90", 0.5, 5]


def test_a_value_that_is_given_as_it_is_is_not_overridden():
    assert "this run" not in set(protocol.table("epochs=20,dropout=0.3")["origin"])


def test_every_setting_has_a_row_with_a_reason():
    table = protocol.table()
    assert list(table["setting"]) == list(protocol.load())
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
    values = protocol.load(variant("dropout: 0\nfcn_widths: [256, 90]\n"))
    assert values == protocol.load() | {"dropout": 0.0, "fcn_widths": [256, 90]}


def test_what_comes_later_wins(variant):
    file = variant("epochs: 5\ndropout: 0.5\n")
    assert protocol.load(f"{file},epochs=7")["epochs"] == 7
    assert protocol.load(f"epochs=7, {file}")["epochs"] == 5
    assert protocol.load(f"{file},epochs=7")["dropout"] == 0.5


def test_files_are_found_below_the_projects_root_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert protocol.load("profiles/variants/no-scaling.yaml")["scaling"] == "none"
    (file,) = protocol.files("profiles/variants/no-scaling.yaml,epochs=5")
    assert file == paths.ROOT / "profiles" / "variants" / "no-scaling.yaml"


def test_text_names_no_files():
    assert protocol.files("epochs=5,dropout=0.5") == []


def test_a_misspelt_setting_of_a_file_is_refused_with_file_and_suggestion(variant):
    with pytest.raises(names.UnknownNameError, match=r"setting of .*mine\.yaml 'epoch'; did you mean 'epochs'"):
        protocol.load(variant("epoch: 5\n"))


def test_a_wrong_value_of_a_file_is_refused(variant):
    with pytest.raises(ValueError, match="setting epochs: 'many' is no int"):
        protocol.load(variant("epochs: many\n"))


@pytest.mark.parametrize("text", ["", "# nothing\n", "- epochs\n", "epochs"])
def test_a_file_without_settings_is_refused(variant, text):
    with pytest.raises(ValueError, match=r"mine\.yaml: holds no settings"):
        protocol.load(variant(text))


def test_a_file_that_is_no_yaml_is_refused(variant):
    with pytest.raises(ValueError, match=r"mine\.yaml: not YAML"):
        protocol.load(variant("a: [1\n"))


def test_a_file_that_is_not_there_is_an_error_that_says_where_variants_are():
    with pytest.raises(FileNotFoundError, match=r"nothing\.yaml.*profiles/variants"):
        protocol.load("nothing.yaml")


@pytest.mark.parametrize("file", sorted((paths.ROOT / "profiles" / "variants").iterdir()), ids=lambda f: f.stem)
def test_every_variant_of_the_project_changes_something(file):
    assert protocol.changes(protocol.load(f"profiles/variants/{file.name}"))


def test_changes_are_what_differs_from_the_file():
    assert protocol.changes(protocol.load("epochs=5,dropout=0.3")) == {"epochs": 5}
    assert protocol.changes(protocol.load()) == {}
