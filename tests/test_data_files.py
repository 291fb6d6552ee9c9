import importlib.util
import re
import tomllib

import jsonschema
import pytest
import yaml

from crosscorpus.base import paths, ranges
from crosscorpus.book import chapters, figure_colours
from crosscorpus.corpora import corpus_downloads, corpus_entries, corpus_registry, file_lists, home_files
from crosscorpus.embeddings import availability
from crosscorpus.models import loading, model_registry
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import baselines, heads, profiles

CORPORA = list(corpus_registry.registry().values())
MODELS = list(model_registry.registry().values())
PROFILES = sorted({file.stem for file in (paths.ROOT / "profiles").glob("*.yaml")} - {"schema"})

each_corpus = pytest.mark.parametrize("corpus", CORPORA, ids=lambda entry: entry.id)
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda entry: entry.id)
each_profile = pytest.mark.parametrize("profile", PROFILES)


def read(path):
    return yaml.safe_load((paths.ROOT / path).read_text(encoding="utf-8"))


# -- corpora.yaml ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [p for p in PROFILES if p not in corpus_entries.PROTOCOLS])
def test_every_emotion_of_a_corpus_that_is_run_has_a_colour_of_its_own(profile):
    """Not of the benchmarks' profiles: they have more emotions than colours that can be told apart."""
    run = {*read(f"profiles/{profile}.yaml")["corpora"], *(c.id for c in CORPORA if c.in_paper), "urdu", "tess"}
    emotions = {emotion for corpus in run for emotion in corpus_registry.get(corpus).emotions.values()}
    assert emotions <= set(figure_colours.EMOTION_COLOURS)


@each_corpus
def test_every_emotion_has_a_colour(corpus):
    assert set(figure_colours.emotion_colours(list(corpus.emotions.values()))) == set(corpus.emotions.values())


@each_corpus
def test_counts_are_of_the_emotions_of_the_label_map(corpus):
    assert set(corpus.counts) == set(corpus.emotions.values()) or (not corpus.counts and corpus.n_utterances)
    assert corpus.size >= sum(corpus.counts.values()) > 0 or not corpus.counts


SILENT = {"mer2023", "resd", "ekk"}
"""Corpora of which neither names nor tables tell who speaks: there are no folds by speaker."""


@each_corpus
def test_a_pattern_has_the_groups_it_needs(corpus):
    groups = set(re.compile(corpus.pattern).groupindex)
    told = {field for table in corpus.tables for field in table}
    assert "emotion" in groups ^ told
    assert groups <= set(corpus_entries.GROUPS)
    assert (corpus.folds_keep_together in groups | told) != (corpus.id in SILENT)


@each_corpus
def test_access_pack_and_speakers_are_stated(corpus):
    assert corpus.access in corpus_entries.ACCESS
    assert corpus.terms
    assert type(corpus.pack["carry"]) is bool
    assert corpus.pack["why"]
    assert corpus.n_speakers or corpus.speakers == "not stated"
    assert corpus.n_speakers is None or str(corpus.n_speakers) in corpus.speakers or corpus.id == "mesd"


@each_corpus
def test_nothing_is_carried_that_owners_do_not_give_to_everybody(corpus):
    shareable = re.search(r"CC (BY|BY-NC|BY-NC-SA|0)\b(?!-N)|CC0|ODbL|Apache|MIT", corpus.licence)
    offered = re.search("for research|freely available|non-commercial purposes", corpus.licence)
    if corpus.pack["carry"]:
        assert corpus.access == "free" or corpus.licence.startswith("CC0")
        assert shareable or offered
        assert "-ND" not in corpus.licence
    assert not (corpus.access in ("request", "paid") and corpus.pack["carry"])


def test_of_the_corpora_in_question_none_is_carried_that_owners_keep():
    kept = {
        "savee",
        "esd",
        "iemocap",
        "msppodcast",
        "mer2023",
        "demos",
        "masc",
        "casia",
        "tess",
        "turevdb",
        "meld",
    }
    assert not any(corpus.pack["carry"] for corpus in CORPORA if corpus.id in kept)


def test_the_pack_carries_what_owners_let_be_shared_alone():
    carried = {path.stem for path in (paths.PACK / "utterances").glob("*.csv")}
    assert carried
    assert all(corpus_registry.get(corpus).pack["carry"] for corpus in carried)


def test_the_benchmarks_have_as_many_corpora_as_they_say():
    of = {protocol: [c.id for c in CORPORA if protocol in c.in_protocols] for protocol in corpus_entries.PROTOCOLS}
    assert len(of["emobox"]) == 32
    assert len(of["serevals"]) == 19
    assert len(CORPORA) == 38 == len({*of["emobox"], *of["serevals"]})


@each_corpus
def test_emotions_are_nouns_in_small_letters_in_one_spelling(corpus):
    assert all(re.fullmatch("[a-z]+", emotion) for emotion in corpus.emotions.values())
    adjectives = {
        "angry",
        "happy",
        "sad",
        "fearful",
        "surprised",
        "disgusted",
        "excited",
        "bored",
        "amused",
        "joy",
    }
    assert not adjectives & set(corpus.emotions.values())


def test_registry_files_stay_readable():
    for file in sorted(paths.DATA.glob("corpora*.yaml")):
        assert len(file.read_text(encoding="utf-8").splitlines()) < 1000


@each_corpus
def test_labels_are_text(corpus):
    assert all(isinstance(label, str) for pair in corpus.emotions.items() for label in pair)


@each_corpus
def test_names_that_the_registry_mentions_follow_the_grammar(corpus):
    mentioned = [*corpus.renamed.values(), *(name for same in corpus.same_audio for name in same)]
    assert all(corpus_entries.parse(corpus, f"{name}.wav")["utterance"] == name for name in mentioned)


@each_corpus
def test_utterances_with_the_same_audio_are_in_the_file_list(corpus):
    for same in corpus.same_audio:
        assert set(same) <= set(file_lists.file_list(corpus.id)["utterance"])


@each_corpus
def test_patterns_of_what_is_not_used_are_regular_expressions(corpus):
    assert all(re.compile(pattern) and why for pattern, why in corpus.not_used.items())


@each_corpus
def test_owners_and_licence_are_stated(corpus):
    assert corpus.home.startswith("http")
    assert corpus.licence
    assert corpus.title
    assert corpus.language
    assert corpus.speakers


KINDS = {"url", "dataverse", "huggingface"}


@each_corpus
def test_a_download_is_homes_or_what_a_person_does(corpus):
    given = corpus.download
    known = corpus_downloads.homes(corpus)
    assert known or set(given) <= {"by_hand"}
    assert set(given) <= {"homes", "lacks", "by_hand"} or given == known[0]
    assert set(given.get("lacks", [])) <= set(corpus_downloads._official(corpus))
    for home in known:
        (kind,) = KINDS & set(home)
        assert set(home) <= {kind, "wanted"} | ({"size", "sha256", "md5", "lfs"} if kind == "url" else set())
        assert isinstance(home.get("size", 1), int)
        assert re.fullmatch("([0-9a-f]{64})?", home.get("sha256", ""))
        assert re.fullmatch("([0-9a-f]{32})?", home.get("md5", ""))
        assert all(re.match(r"https?://\S+$", address) for address in addresses(home))
        assert set(home.get("dataverse", {"server", "doi"})) == {"server", "doi"}
        assert set(home.get("huggingface", {"dataset", "revision"})) == {"dataset", "revision"}


def addresses(home):
    return [home_files.shown(home), *home.get("lfs", [])]


@each_corpus
def test_a_download_from_github_is_of_one_commit(corpus):
    found = [address for home in corpus_downloads.homes(corpus) for address in addresses(home)]
    commits = [re.findall(r"\b[0-9a-f]{40}\b", address) for address in found if "github" in address]
    assert all(len(found) == 1 for found in commits)
    assert len({found[0] for found in commits}) <= 1


def test_no_corpus_is_called_as_a_model():
    assert not corpus_registry.registry().keys() & model_registry.registry().keys()


def test_corpora_have_names_of_their_own():
    assert len({entry.name for entry in CORPORA}) == len(CORPORA)


# -- models.yaml ----------------------------------------------------------------------------------------------


def test_the_models_are_the_eight_of_the_paper():
    assert {model.name for model in MODELS if model.in_paper} == {
        "Whisper",
        "TRILLsson",
        "WavLM",
        "UniSpeech-SAT",
        "wav2vec2",
        "XLS-R",
        "MMS",
        "x-vector",
    }
    assert sum(model.in_paper for model in MODELS) == 8


@each_model
def test_a_model_has_family_dimensions_and_source(model):
    known = {"paralinguistic", "monolingual", "multilingual", "speaker", "control", "general audio"}
    assert model.family in known
    assert model.dimension > 0
    assert model.dimension_paper in ({512, 768, 1024, 1280} if model.in_paper else {model.dimension, None})
    assert model.source.startswith("https://")
    assert model.handle in model.source or model.home == "none"


@each_model
def test_a_model_is_pinned_and_described(model):
    assert importlib.util.find_spec(f"crosscorpus.models.loaders.{model.loader}")
    pinned = {"huggingface": "[0-9a-f]{40}", "tfhub": "[0-9]+", "none": ""}
    not_pinned = model.revision == "main" and any("not pinned" in issue for issue in model.known_issues)
    assert not_pinned or re.fullmatch(pinned[model.home], model.revision)
    assert model.pooling in loading.poolings(model.id)
    assert model.layer
    assert model.licence
    assert model.in_paper or model.note


@each_model
def test_a_model_says_what_it_was_trained_on_and_where_that_is_stated(model):
    before = model.trained_on
    assert set(before) <= {"what", "source", "complete", "corpora"}
    assert before["what"]
    assert before["source"]
    assert set(before.get("corpora", {})) <= set(corpus_registry.registry())


def test_the_models_of_the_benchmarks_are_those_of_their_papers():
    by_protocol = {p: {m.id for m in MODELS if p in m.in_protocols} for p in corpus_entries.PROTOCOLS}
    assert by_protocol["emobox"] == {
        "wav2vec2-base", "hubert-base", "hubert-large", "wavlm-base", "wavlm-large", "data2vec-base",
        "data2vec-large", "data2vec2-base", "data2vec2-large", "whisper-large-v3",
    }  # fmt: skip
    assert by_protocol["serevals"] == {
        "w2v-bert-2", "hubert-large", "wavlm-large", "clap", "mert-330m", "wav2vec2-large-robust",
        "whisper-medium", "whisper-large", "whisper-large-v2", "whisper-large-v3",
    }  # fmt: skip


# -- protocol.yaml --------------------------------------------------------------------------------------------


def test_every_setting_has_value_origin_and_reason():
    for entry in read("data/protocol.yaml").values():
        assert set(entry) - {"of"} == {"value", "allowed", "part", "stated", "why"}
        assert ranges.wrong(entry["value"], entry["allowed"]) == ""
        assert isinstance(entry["stated"], bool)
        assert entry["why"].strip().endswith(".")


def test_what_the_paper_states_names_its_section():
    stated = [entry["why"] for entry in read("data/protocol.yaml").values() if entry["stated"]]
    assert all(re.match(r"(II|I+\.[A-C]): ", why) for why in stated)


def test_every_emotion_of_the_protocol_is_in_all_corpora_of_the_paper():
    for corpus in CORPORA:
        if corpus.in_paper:
            assert set(protocol_settings.load()["emotions"]) <= set(corpus.emotions.values())


# -- citations ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bibliography():
    path = paths.ROOT / "book" / "references.bib"
    if not path.exists():
        pytest.skip("book/references.bib is not there")
    return set(re.findall(r"^@\w+\{\s*([^,\s]+)", path.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("entry", [*(c for c in CORPORA if c.citation), *MODELS], ids=lambda entry: entry.id)
def test_every_citation_is_in_the_bibliography(entry, bibliography):
    assert entry.citation in bibliography


@each_corpus
def test_every_corpus_has_a_citation(corpus):
    assert corpus.citation


def test_every_citation_of_the_book_is_in_the_bibliography(bibliography):
    pages = [*(paths.ROOT / "book").glob("*.md"), *(paths.ROOT / "notebooks").glob("*.ipynb")]
    roles = [role for page in pages for role in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", page.read_text("utf-8"))]
    cited = {key.strip() for role in roles for key in role.split(",")}
    assert cited <= bibliography


# -- environment ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lock():
    lines = (paths.ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith(("#", "-")))


def test_environment_yml_installs_the_same_lock():
    path = paths.ROOT / "environment.yml"
    if not path.exists():
        pytest.skip("environment.yml is not there")
    dependencies = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    (by_pip,) = (part["pip"] for part in dependencies if isinstance(part, dict))
    assert any("requirements.lock" in line for line in by_pip)
    assert not any("==" in line for line in by_pip)
    assert any(re.match(r"python\s*=+\s*3\.11", part) for part in dependencies if isinstance(part, str))


def test_every_dependency_is_locked(lock):
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    locked = {name.lower().replace("_", "-") for name in lock}
    assert {re.match(r"[\w.-]+", line).group().lower().replace("_", "-") for line in wanted} <= locked


def test_every_locked_package_has_hashes(lock):
    """The environment is made from these: a wheel that is not one of them is refused."""
    text = (paths.ROOT / "requirements.hashed").read_text(encoding="utf-8")
    entries = [entry.split(" \\\n") for entry in re.split(r"\n(?=[a-z0-9])", text.strip())]
    assert {entry[0] for entry in entries} == {f"{name}=={version}" for name, version in lock.items()}
    for _, *hashes in entries:
        assert hashes
        assert all(re.fullmatch(r" *--hash=sha256:[0-9a-f]{64}", line) for line in hashes)
    makefile = (paths.ROOT / "Makefile").read_text(encoding="utf-8")
    assert "LOCKED := --no-deps --require-hashes -r requirements.hashed" in makefile


def test_the_lock_pins_every_package(lock):
    assert all(re.match(r"\d", version) for version in lock.values())


# -- profiles -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def validator():
    schema = read("profiles/schema.yaml")
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_every_profile_is_tested():
    files = {file.stem for file in (paths.ROOT / "profiles").glob("*.yaml")} - {"schema"}
    assert files == set(PROFILES)


@each_profile
def test_a_profile_fits_the_schema(profile, validator):
    validator.validate(read(f"profiles/{profile}.yaml"))


@each_profile
def test_a_profile_is_called_as_its_file(profile):
    assert read(f"profiles/{profile}.yaml")["profile"] == profile


@each_profile
def test_a_misspelt_key_is_refused(profile, validator):
    values = read(f"profiles/{profile}.yaml")
    values["seed"] = values.pop("seeds")
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(values)


@each_profile
def test_an_extra_key_is_refused(profile, validator):
    with pytest.raises(jsonschema.ValidationError, match="epochs"):
        validator.validate(read(f"profiles/{profile}.yaml") | {"epochs": 5})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("heads", ["mlp"]),
        ("baselines", ["knn"]),
        ("regimes", ["random"]),
        ("seeds", [-1]),
        ("ptms", []),
        ("source", "web"),
    ],
)
def test_a_wrong_value_is_refused(key, value):
    with pytest.raises(ValueError, match=str(key).removesuffix("s")):
        profiles.check(read("profiles/demo.yaml") | {key: value})


@each_profile
def test_a_profile_names_what_is_known(profile):
    values = read(f"profiles/{profile}.yaml")
    assert set(values["ptms"]) <= set(model_registry.registry())
    assert values["ptm"] in values["ptms"]
    assert set(values["corpora"]) <= set(corpus_registry.registry())
    assert set(values["heads"]) <= set(heads.HEADS)
    assert set(values["baselines"]) <= set(baselines.BASELINES)
    protocol_settings.load(values["overrides"])


@each_profile
def test_every_key_of_a_profile_is_a_parameter_of_a_chapter(profile):
    known = {name for path in (paths.ROOT / "notebooks").glob("*.ipynb") for name in chapters.declared(path.stem)}
    assert set(read(f"profiles/{profile}.yaml")) <= known


def test_the_paper_profile_has_all_models_and_corpora_of_the_paper():
    values = read("profiles/paper.yaml")
    assert {m.id for m in model_registry.registry().values() if m.in_paper} <= set(values["ptms"])
    assert set(values["corpora"]) == {entry.id for entry in CORPORA if entry.in_paper}


@pytest.mark.parametrize("protocol", corpus_entries.PROTOCOLS)
def test_the_profile_of_a_benchmark_has_all_its_models_and_corpora(protocol):
    values = read(f"profiles/{protocol}.yaml")
    beside = ["whisper-base", "mfcc"]  # of the pack
    assert set(values["ptms"]) - set(beside) == {m.id for m in MODELS if protocol in m.in_protocols}
    assert values["ptms"][-2:] == beside
    assert set(values["corpora"]) == {entry.id for entry in CORPORA if protocol in entry.in_protocols}


def test_what_a_benchmarks_profile_lacks_is_listed_with_what_it_needs():
    values = read("profiles/serevals.yaml")
    needed = availability.needed(values["ptms"], values["corpora"], "pack").set_index("name")["needs"]
    assert needed["MERT 330M"].startswith("embeddings made elsewhere: `python -m crosscorpus.embeddings add ")
    assert "downloads clap`" in needed["CLAP"]
    assert "downloads meld`" in needed["MELD"]
    run = {model.name for model in MODELS if model.id in ("whisper-base", "mfcc")}
    assert {m.name for m in MODELS if m.id in values["ptms"]} - run <= set(needed.index)


def test_the_profile_of_2024_has_five_models_and_the_languages_that_are_named():
    values = read("profiles/phukan2024.yaml")
    names = [model.name for model in MODELS if model.id in values["ptms"]]
    assert sorted(names) == ["TRILLsson", "WavLM", "Whisper", "XLS-R", "x-vector"]
    languages = {entry.language for entry in CORPORA if entry.id in values["corpora"]}
    assert languages == {"Urdu", "German", "Greek"}
    assert values["heads"] == ["cnn"]


@pytest.mark.parametrize(
    "chapter",
    [
        "index",
        "data",
        "corpora",
        "models",
        "extraction",
        "model",
        "heads",
        "same-corpus",
        "cross-corpus",
        "visualization",
        "your-corpus",
        "audit",
        "rivals-tables",
        "three-protocols",
        "claims",
        "paper-and-ours",
        "leakage",
    ],
)
def test_the_defaults_of_a_chapter_are_the_demo_profiles(chapter):
    values = read("profiles/demo.yaml")
    defaults = {name: default for name, (_, default) in chapters.declared(chapter).items() if name != "profile"}
    assert {name: defaults[name] for name in defaults if name in values} == {
        name: values[name] for name in defaults if name in values
    }
