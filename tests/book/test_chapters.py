import ast
import re
import types

import nbformat
import papermill
import pytest
import yaml

from crosscorpus.base import known_names, paths
from crosscorpus.book import chapters, provenance
from crosscorpus.training import run_parameters

CHAPTERS = [
    "index",
    "explorer",
    "cues",
    "data",
    "corpora",
    "models",
    "extraction",
    "model",
    "model-to-run",
    "heads",
    "same-corpus",
    "cross-corpus",
    "visualization",
    "your-corpus",
    "own-recordings",
    "audit",
    "rivals-tables",
    "three-protocols",
    "ambiguities",
    "which-layer",
    "claims",
    "paper-and-ours",
    "leakage",
    "carried-over",
    "noise",
    "costs",
]
TYPES = {"str", "int", "float", "bool", "list[str]", "list[int]", "list[float]"}

every_chapter = pytest.mark.parametrize("chapter", CHAPTERS)


def cells(chapter):
    return nbformat.read(chapters.path(chapter), as_version=4).cells


def tags(cell):
    return cell.metadata.get("tags", [])


def given(chapter, **changed):
    return {name: default for name, (_, default) in chapters.declared(chapter).items()} | changed


# -- the notebooks --------------------------------------------------------------------------------------------


def test_every_notebook_is_a_chapter():
    assert {file.stem for file in (paths.ROOT / "notebooks").glob("*.ipynb")} == set(CHAPTERS)


@every_chapter
def test_a_source_has_no_output(chapter):
    code = [cell for cell in cells(chapter) if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


@every_chapter
def test_one_cell_has_the_parameters(chapter):
    assert [cell.cell_type for cell in cells(chapter) if "parameters" in tags(cell)] == ["code"]


@every_chapter
def test_it_begins_with_its_title(chapter):
    assert cells(chapter)[0].source.startswith("# ")


@every_chapter
def test_the_first_code_after_the_parameters_checks_them(chapter):
    code = [cell for cell in cells(chapter) if cell.cell_type == "code"]
    assert "parameters" in tags(code[0])
    assert f'p = chapters.start("{chapter}", globals())' in code[1].source


@every_chapter
def test_it_ends_with_its_provenance(chapter):
    last = cells(chapter)[-1].source
    assert re.match(rf'provenance\.footer\(\s*"{chapter}",\s+p,', last)


@every_chapter
def test_words_come_before_every_code_cell(chapter):
    all_cells = cells(chapter)
    bare = [
        cell.source
        for before, cell in zip([None, *all_cells], all_cells, strict=False)
        if cell.cell_type == "code"
        and "remove-input" not in tags(cell)
        and (before is None or before.cell_type != "markdown")
    ]
    assert bare == []


@every_chapter
def test_every_cell_has_an_id(chapter):
    ids = [cell.get("id") for cell in cells(chapter)]
    assert None not in ids
    assert len(set(ids)) == len(ids)


@every_chapter
def test_every_code_cell_is_python(chapter):
    for cell in cells(chapter):
        if cell.cell_type == "code":
            ast.parse(cell.source)


# -- the parameters -------------------------------------------------------------------------------------------


@every_chapter
def test_every_statement_of_the_parameters_is_typed(chapter):
    (cell,) = (cell for cell in cells(chapter) if "parameters" in tags(cell))
    assert all(isinstance(statement, ast.AnnAssign) for statement in ast.parse(cell.source).body)


@every_chapter
def test_every_type_is_one_that_start_checks(chapter):
    assert {kind for kind, _ in chapters.declared(chapter).values()} <= TYPES


@every_chapter
def test_papermill_sees_every_parameter(chapter):
    seen = papermill.inspect_notebook(str(chapters.path(chapter)))
    assert list(seen) == list(chapters.declared(chapter))


@every_chapter
def test_papermill_sees_type_and_help(chapter):
    declared = chapters.declared(chapter)
    for name, seen in papermill.inspect_notebook(str(chapters.path(chapter))).items():
        assert seen["inferred_type_name"] == declared[name][0]
        assert ast.literal_eval(seen["default"]) == declared[name][1]
        assert len(seen["help"].split()) >= 2


@every_chapter
def test_every_chapter_names_its_profile(chapter):
    assert chapters.declared(chapter)["profile"] == ("str", "by hand")


@every_chapter
def test_the_defaults_of_a_chapter_are_accepted(chapter):
    assert vars(chapters.start(chapter, given(chapter))) == given(chapter)


def test_a_parameter_means_the_same_in_every_chapter():
    kinds = {}
    for chapter in CHAPTERS:
        for name, (kind, _) in chapters.declared(chapter).items():
            assert kinds.setdefault(name, kind) == kind


# -- start ----------------------------------------------------------------------------------------------------


def test_an_unknown_chapter_is_refused():
    with pytest.raises(known_names.UnknownNameError, match="unknown chapter 'head'; did you mean 'heads'"):
        chapters.start("head", {})


def test_an_unknown_parameter_is_refused_with_a_suggestion():
    with pytest.raises(known_names.UnknownNameError, match=r"chapter heads 'corpus'.*did you mean 'corpora'"):
        chapters.start("heads", given("heads", corpus=["emodb"]))


def test_what_python_and_ipython_put_into_a_namespace_is_no_parameter():
    extra = {"_": 1, "_i1": "", "__name__": "x", "In": [], "Out": {}, "quit": None, "chapters": chapters, "f": len}
    assert vars(chapters.start("heads", given("heads", **extra))) == given("heads")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("corpora", "emodb,ravdess", ["emodb", "ravdess"]),
        ("corpora", "emodb, ravdess", ["emodb", "ravdess"]),
        ("corpora", "emodb", ["emodb"]),
        ("corpora", ["emodb"], ["emodb"]),
        ("corpora", ("emodb", "ravdess"), ["emodb", "ravdess"]),
        ("train_corpora", [], []),
        ("train_corpora", "", []),
        ("seeds", "0,1", [0, 1]),
        ("seeds", "0, 1", [0, 1]),
        ("seeds", 3, [3]),
        ("seeds", [3], [3]),
        ("seeds", ["3"], [3]),
        ("workers", 2, 2),
        ("overrides", "epochs=5,dropout=0.5", "epochs=5,dropout=0.5"),
    ],
)
def test_what_papermill_can_pass_is_accepted(name, value, expected):
    found = getattr(chapters.start("heads", given("heads", **{name: value})), name)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", "two"),
        ("workers", 2.0),
        ("workers", True),
        ("workers", None),
        ("workers", [2]),
        ("source", 3),
        ("source", ["pack"]),
        ("source", None),
        ("overrides", {"epochs": 5}),
        ("seeds", "a,b"),
        ("seeds", ["a"]),
        ("seeds", 1.5),
        ("seeds", [0, 1.5]),
        ("seeds", None),
        ("seeds", [None]),
        ("corpora", None),
        ("corpora", {"emodb": 1}),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(name, value):
    with pytest.raises(run_parameters.ParameterError, match=f"parameter {name}: "):
        chapters.start("heads", given("heads", **{name: value}))


def test_a_refused_value_says_what_is_expected():
    with pytest.raises(run_parameters.ParameterError, match="'two' is a str, int is expected"):
        chapters.start("heads", given("heads", workers="two"))


OUTSIDE = [
    ("heads", "workers", -1, "-1 is not allowed; allowed is a whole number, 0 or more"),
    ("heads", "seeds", [-1], "-1 is not allowed; allowed is a whole number, 0 or more"),
    ("heads", "seeds", "0,-3", "-3 is not allowed"),
    ("heads", "seeds", [2**31], f"{2**31} is not allowed"),
    ("heads", "seeds", [], "[] is not allowed; allowed is 1 or more of them"),
    ("heads", "seeds", [1, 0, 1], "1 is there twice; name each once"),
    ("heads", "corpora", "emodb,ravdess,emodb", "'emodb' is there twice; name each once"),
    ("heads", "corpora", [], "[] is not allowed; allowed is 1 or more of them"),
    ("heads", "train_corpora", ["emodb", "emodb"], "'emodb' is there twice"),
    ("heads", "ptms", ["mfcc", "mfcc"], "'mfcc' is there twice"),
    ("heads", "heads", ["fcn", "fcn"], "'fcn' is there twice"),
    ("heads", "heads", [], "[] is not allowed; allowed is 1 or more of them"),
    ("heads", "baselines", ["svm", "svm"], "'svm' is there twice"),
    ("heads", "regimes", ["speaker", "speaker"], "'speaker' is there twice"),
    ("visualization", "emotions", ["anger", "anger"], "'anger' is there twice"),
    ("audit", "draws", 0, "0 is not allowed; allowed is a whole number, 1 or more"),
    ("cues", "seconds", 0.0, "0.0 is not allowed; allowed is a number, above 0, 600 or less"),
    ("cues", "seconds", float("nan"), "nan is not allowed"),
    ("cues", "seconds", float("inf"), "inf is not allowed"),
    ("cues", "seed", -1, "-1 is not allowed"),
]


@pytest.mark.parametrize(("chapter", "name", "value", "words"), OUTSIDE)
def test_a_value_outside_its_range_is_refused(chapter, name, value, words):
    with pytest.raises(run_parameters.ParameterError, match=re.escape(f"parameter {name}: {words}")):
        chapters.start(chapter, given(chapter, **{name: value}))


def test_an_unknown_emotion_is_refused():
    with pytest.raises(known_names.UnknownNameError, match="unknown emotion 'angry'; did you mean 'anger'"):
        chapters.start("visualization", given("visualization", emotions="angry,fear"))


def test_cuda_where_there_is_none_is_refused_at_once(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(
        run_parameters.ParameterError, match="parameter device: 'cuda', but PyTorch sees no CUDA device"
    ):
        chapters.start("model", given("model", device="cuda"))
    assert chapters.start("model", given("model", device="cpu")).device == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert chapters.start("model", given("model", device="cuda")).device == "cuda"


def test_every_parameter_that_is_a_list_or_a_number_has_a_range():
    ranged = set(yaml.safe_load((paths.DATA / "parameters.yaml").read_text(encoding="utf-8")))
    numbers = {
        name
        for chapter in CHAPTERS
        for name, (kind, _) in chapters.declared(chapter).items()
        if kind in ("int", "float") or kind.startswith("list[")
    }
    assert numbers <= ranged


def test_a_notebook_without_parameters_is_refused(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x: int = 1")])
    nbformat.write(notebook, tmp_path / "notebooks" / "own.ipynb")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    with pytest.raises(run_parameters.ParameterError, match=r"own\.ipynb: no cell has the tag `parameters`"):
        chapters.declared("own")


def test_types_of_a_chapter_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    cell = nbformat.v4.new_code_cell("rate: float = 0.5\nloud: bool = False\nrates: list[float] = [0.5]")
    cell.metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks" / "typed.ipynb")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    found = chapters.start("typed", {"rate": 1, "loud": True, "rates": "1,2.5"})
    assert vars(found) == {"rate": 1.0, "loud": True, "rates": [1.0, 2.5]}
    with pytest.raises(run_parameters.ParameterError, match="parameter loud"):
        chapters.start("typed", {"rate": 1, "loud": "False", "rates": []})


def test_the_command_of_a_page_has_what_decides_its_numbers_and_no_workers():
    given = chapters.start("heads", {n: d for n, (_, d) in chapters.declared("heads").items()})
    assert provenance.command("heads", given) == "papermill notebooks/heads.ipynb out.ipynb"
    changed = types.SimpleNamespace(**vars(given) | {"corpora": ["emodb", "mesd"], "workers": 3})
    assert provenance.command("heads", changed).endswith("out.ipynb -p corpora emodb,mesd")
