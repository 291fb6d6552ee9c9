# The workflow: which chapter runs when, and what it depends on. Every rule calls papermill; the work is in the
# notebooks and in lib/. Run it with `make book`, or `snakemake --cores all --configfile profiles/demo.yaml`.

import json
import sys

from snakemake.exceptions import WorkflowError

from crosscorpus.base import paths
from crosscorpus.book import chapters, dependencies
from crosscorpus.embeddings import availability
from crosscorpus.models import hidden_states
from crosscorpus.protocols import protocol_settings
from crosscorpus.training import beforehand, profiles

config |= {key: "" for key in ("overrides", "mirror") if key in config and config[key] is None}  # given as nothing
try:
    paths.check_here()
    profiles.check(config)
    LAYER = protocol_settings.load(config["overrides"])["layer"]
    # One that has no layers has nothing to choose from, and no part in a run of another layer than the last.
    LAYERED = [ptm for ptm in config["ptms"] if LAYER == hidden_states.LAST or hidden_states.count(ptm)]
    [hidden_states.name(ptm, LAYER) for ptm in LAYERED]
except ValueError as error:
    raise WorkflowError(str(error)) from None

config.setdefault("gpus", 0)
PROFILE, SOURCE = config["profile"], config["source"]
RUN = f"_build/{PROFILE}"
SITE = "." if PROFILE in ("demo", "paper") else RUN  # below it, jupyter-book writes _build/html
CHAPTERS = [name for name in glob_wildcards("notebooks/{name,[^/]+}.ipynb").name if name not in ("model", "model-to-run")]
FACTS = glob_wildcards("data/{file,.+\\.(yaml|csv|parquet)}").file
REGISTRIES = [file for file in FACTS if file.startswith(("corpora", "models"))]
PACK = [f"embeddings/{f}" for f in glob_wildcards("data/embeddings/{file,.+\\.safetensors}").file]
OWN = [f"own/embeddings/{f}" for f in glob_wildcards("data/own/embeddings/{file,.+\\.safetensors}").file]
VARIANTS = [str(file) for file in protocol_settings.files(config["overrides"])]
MODELS = glob_wildcards("notebooks/models/{ptm}.ipynb").ptm
PAGES = glob_wildcards("book/{page,.+\\.(md|py|css|js|bib|svg|html)}").page
# What a chapter and its kernel say goes into a log; of that, the screen shows how far something long has come.
LOGGED = " >> {log} 2>&1"
EXECUTE = ": > {log}; papermill --no-progress-bar --log-level ERROR {input.notebook} {output} -y '{params.values}'"
EXECUTE += " --stderr-file >(tee -a {log} | grep --line-buffered '^   - ' >&2)" + LOGGED

# What was made elsewhere, and added, has its row in every grid.
ADDED = availability.made_elsewhere(config["corpora"])
config["ptms"] = list(dict.fromkeys([*config["ptms"], *ADDED]))
ALL = [(ptm, corpus) for ptm in [*LAYERED, *ADDED] for corpus in config["corpora"]]
ALL = list(dict.fromkeys(pair for pair in ALL if LAYER == hidden_states.LAST or pair[0] not in ADDED))
GIVEN = [pair for pair in ALL if pair[0] in ADDED and availability.is_stored(*pair, SOURCE)]
HELD = ALL if SOURCE != "audio" and LAYER == hidden_states.LAST else []
PACKED = [pair for pair in HELD if pair[0] not in ADDED and availability.is_stored(*pair, "pack")]
MADE = [pair for pair in ALL if SOURCE != "pack" and pair not in PACKED and availability.can_extract(*pair)]
PAIRS = PACKED + GIVEN + MADE
if not PAIRS:
    needs = availability.needed(config["ptms"], config["corpora"], SOURCE)
    raise WorkflowError(f"nothing can be run with profile {PROFILE}. Needed:\n{needs.to_string(index=False)}")
SHOWN = {ptm for ptm, _ in PAIRS} | set(availability.models_run(config["corpora"], SOURCE))
EMBEDDED = [f"{RUN}/embed/{ptm}-{corpus}.ipynb" for ptm, corpus in MADE]
TRAINED = [f"{RUN}/train/{ptm}.ipynb" for ptm in dict.fromkeys(ptm for ptm, _ in PAIRS)]


def values(chapter, **changes):
    """The profile's values for the parameters that a chapter has, as JSON, which is YAML."""
    given = {name: config[name] for name in chapters.declared(chapter) if name in config}
    return json.dumps(given | changes)


def page(ptm):
    """The notebook of a model's page: a short one where nothing of it has run."""
    return "model" if ptm in SHOWN else "model-to-run"


def stored(ptm):
    """What a model's page shows of what is stored; a page of one that has not run has no such parameters."""
    layer = {"layer": LAYER} if ptm in LAYERED else {}
    return {"extract": False, **layer} if ptm in SHOWN else {}


def library(chapter):
    return dependencies.of_notebook(f"notebooks/{chapter}.ipynb")


wildcard_constraints:
    ptm="|".join([*config["ptms"], *MODELS]),
    corpus="|".join(config["corpora"]),


rule book:
    input:
        executed=expand(f"{RUN}/notebooks/{{chapter}}.ipynb", chapter=CHAPTERS),
        models=expand(f"{RUN}/notebooks/models/{{ptm}}.ipynb", ptm=MODELS),
        pages=expand("book/{page}", page=PAGES),
        config=["_config.yml", "_toc.yml", "CONTRIBUTING.md", "CITATION.cff"],
    output:
        f"{SITE}/_build/html/index.html".removeprefix("./"),
    log:
        f"{RUN}/logs/book.log",
    benchmark:
        f"{RUN}/timings/book.tsv"
    shell:
        f": > {{log}}; CROSSCORPUS_PROFILE={PROFILE} jupyter-book build . --path-output {SITE} --quiet -W -n --keep-going"
        + LOGGED
        + " && touch {output}"


rule chapters:
    input:
        rules.book.input.executed,
        expand(f"{RUN}/notebooks/models/{{ptm}}.ipynb", ptm=config["ptms"]),


# Pages of models whose embeddings were made elsewhere; none, where nothing was added.
rule added:
    input:
        expand(f"{RUN}/notebooks/models/{{ptm}}.ipynb", ptm=ADDED),


# The chapters that need neither embeddings nor predictions.
PLAIN = ["ambiguities", "audit", "carried-over", "costs", "cues", "data", "rivals-tables", "three-protocols", "which-layer"]
for chapter in PLAIN:

    rule:
        name:
            chapter
        input:
            notebook=f"notebooks/{chapter}.ipynb",
            library=library(chapter),
            facts=expand("data/{file}", file=[*FACTS, *OWN]),
        output:
            f"{RUN}/notebooks/{chapter}.ipynb",
        params:
            values=values(chapter),
        log:
            f"{RUN}/logs/{chapter}.log",
        benchmark:
            f"{RUN}/timings/{chapter}.tsv"
        shell:
            EXECUTE


# What can stop a run is looked for before the first model is loaded: all corpora are read, and looked at together. Not
# by a rule: whatever depended on that would run again with it.
onstart:
    if MADE:
        mirror = config.get("mirror", "")
        try:
            found = beforehand.check(
                config["corpora"], SOURCE, config["regimes"], config["overrides"], mirror, workflow.cores
            )
        except (ValueError, OSError) as error:
            raise WorkflowError(str(error)) from None
        print("\n".join(found), file=sys.stderr, flush=True)


rule embed:
    input:
        notebook="notebooks/model.ipynb",
        library=library("model"),
        facts=expand("data/{file}", file=[f for f in FACTS if f in REGISTRIES or f.startswith("own/")]),
    output:
        f"{RUN}/embed/{{ptm}}-{{corpus}}.ipynb",
    params:
        values=lambda w, threads: values(
            "model", ptm=w.ptm, corpora=[w.corpus], layer=LAYER, workers=threads
        ),
    threads: workflow.cores
    resources:
        gpu=config["gpus"],
    log:
        f"{RUN}/logs/embed-{{ptm}}-{{corpus}}.log",
    benchmark:
        f"{RUN}/timings/embed-{{ptm}}-{{corpus}}.tsv"
    shell:
        EXECUTE


# A page shows what is stored: what the profile asks for was made by the rule `embed`, and no page asks for more.
rule model:
    input:
        notebook=lambda w: f"notebooks/{page(w.ptm)}.ipynb",
        library=lambda w: library(page(w.ptm)),
        facts=expand("data/{file}", file=[*FACTS, *PACK, *OWN]),
        embedded=lambda w: [f for f in EMBEDDED if f.startswith(f"{RUN}/embed/{w.ptm}-")],
    output:
        f"{RUN}/notebooks/models/{{ptm}}.ipynb",
    params:
        values=lambda w: values(page(w.ptm), ptm=w.ptm, **stored(w.ptm)),
    log:
        f"{RUN}/logs/model-{{ptm}}.log",
    benchmark:
        f"{RUN}/timings/model-{{ptm}}.tsv"
    shell:
        EXECUTE


rule extraction:
    input:
        notebook="notebooks/extraction.ipynb",
        library=library("extraction"),
        facts=expand("data/{file}", file=[*FACTS, *PACK, *OWN]),
        embedded=EMBEDDED,
    output:
        f"{RUN}/notebooks/extraction.ipynb",
    params:
        values=values("extraction"),
    log:
        f"{RUN}/logs/extraction.log",
    benchmark:
        f"{RUN}/timings/extraction.tsv"
    shell:
        EXECUTE


# Models side by side, each with its share of the cores: all are busy, and few kernels have to start.
rule train:
    input:
        notebook="notebooks/heads.ipynb",
        library=library("heads"),
        facts=expand("data/{file}", file=[*FACTS, *PACK, *OWN]),
        variants=VARIANTS,
        embedded=EMBEDDED,
    output:
        f"{RUN}/train/{{ptm}}.ipynb",
    params:
        values=lambda w, threads: values("heads", ptms=[w.ptm], workers=threads),
    threads: max(1, workflow.cores // len(TRAINED))
    log:
        f"{RUN}/logs/train-{{ptm}}.log",
    benchmark:
        f"{RUN}/timings/train-{{ptm}}.tsv"
    shell:
        EXECUTE


# The chapters that read predictions. What the rule `train` made is in the store, so they only look it up.
for chapter in sorted({*CHAPTERS} - {*PLAIN, "extraction"}):

    rule:
        name:
            chapter
        input:
            notebook=f"notebooks/{chapter}.ipynb",
            library=library(chapter),
            facts=expand("data/{file}", file=[*FACTS, *PACK, *OWN]),
            variants=VARIANTS,
            trained=TRAINED,
        output:
            f"{RUN}/notebooks/{chapter}.ipynb",
        params:
            values=values(chapter),
        log:
            f"{RUN}/logs/{chapter}.log",
        benchmark:
            f"{RUN}/timings/{chapter}.tsv"
        shell:
            EXECUTE
