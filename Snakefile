# The workflow: which chapter runs when, and what it depends on. Every rule calls papermill; the work is in the
# notebooks and in lib/. Run it with `make book`, or `snakemake --cores all --configfile profiles/demo.yaml`.

import json

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from crosscorpus import chapters, dependencies, status

validate(config, "profiles/schema.yaml")

config.setdefault("gpus", 0)
PROFILE, SOURCE = config["profile"], config["source"]
RUN = f"_build/{PROFILE}"
CHAPTERS = ["index", "data", "extraction", "heads", "same-corpus", "cross-corpus", "visualization", "ambiguities"]
FACTS = glob_wildcards("data/{file,.+\\.(yaml|csv)}").file
PACK = [f"embeddings/{f}" for f in glob_wildcards("data/embeddings/{file,.+\\.safetensors}").file]
MODELS = glob_wildcards("notebooks/models/{ptm}.ipynb").ptm
PAGES = glob_wildcards("book/{page,.+\\.(md|py|css|js|bib|svg)}").page
EXECUTE = "papermill --no-progress-bar --log-level ERROR --stderr-file - {input.notebook} {output} -y '{params.values}'"
# ipykernel warns on every start that it talks to this machine over TCP
EXECUTE += " 2> >(grep -v 'running over TCP without encryption' >&2)"

if SOURCE == "audio":
    PAIRS = [(ptm, c) for ptm in config["ptms"] for c in config["corpora"] if status.can_extract(ptm, c)]
else:
    PAIRS = [(ptm, c) for ptm in config["ptms"] for c in config["corpora"] if status.is_stored(ptm, c, SOURCE)]
if not PAIRS:
    needs = status.needed(config["ptms"], config["corpora"], SOURCE)
    raise WorkflowError(f"nothing can be run with profile {PROFILE}. Needed:\n{needs.to_string(index=False)}")
EMBEDDED = [f"{RUN}/embed/{ptm}-{corpus}.ipynb" for ptm, corpus in PAIRS] if SOURCE == "audio" else []
TRAINED = [f"{RUN}/train/{ptm}-{corpus}.ipynb" for ptm, corpus in PAIRS]


def values(chapter, **changes):
    """The profile's values for the parameters that a chapter has, as JSON, which is YAML."""
    given = {name: config[name] for name in chapters.declared(chapter) if name in config}
    return json.dumps(given | changes)


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
        config=["_config.yml", "_toc.yml"],
    output:
        "_build/html/index.html",
    benchmark:
        f"{RUN}/timings/book.tsv"
    shell:
        f"CROSSCORPUS_PROFILE={PROFILE} jupyter-book build . --quiet -W -n --keep-going && touch {{output}}"


rule chapters:
    input:
        rules.book.input.executed,
        expand(f"{RUN}/notebooks/models/{{ptm}}.ipynb", ptm=config["ptms"]),


rule data:
    input:
        notebook="notebooks/data.ipynb",
        library=library("data"),
        facts=expand("data/{file}", file=FACTS),
    output:
        f"{RUN}/notebooks/data.ipynb",
    params:
        values=values("data"),
    benchmark:
        f"{RUN}/timings/data.tsv"
    shell:
        EXECUTE


rule embed:
    input:
        notebook="notebooks/model.ipynb",
        library=library("model"),
    output:
        f"{RUN}/embed/{{ptm}}-{{corpus}}.ipynb",
    params:
        values=lambda w, threads: values("model", ptm=w.ptm, corpora=[w.corpus], workers=threads),
    threads: workflow.cores
    resources:
        gpu=config["gpus"],
    benchmark:
        f"{RUN}/timings/embed-{{ptm}}-{{corpus}}.tsv"
    shell:
        EXECUTE


rule model:
    input:
        notebook="notebooks/model.ipynb",
        library=library("model"),
        facts=expand("data/{file}", file=[*FACTS, *PACK]),
        embedded=lambda w: [f for f in EMBEDDED if f.startswith(f"{RUN}/embed/{w.ptm}-")],
    output:
        f"{RUN}/notebooks/models/{{ptm}}.ipynb",
    params:
        values=lambda w: values("model", ptm=w.ptm),
    benchmark:
        f"{RUN}/timings/model-{{ptm}}.tsv"
    shell:
        EXECUTE


rule extraction:
    input:
        notebook="notebooks/extraction.ipynb",
        library=library("extraction"),
        facts=expand("data/{file}", file=[*FACTS, *PACK]),
        embedded=EMBEDDED,
    output:
        f"{RUN}/notebooks/extraction.ipynb",
    params:
        values=values("extraction"),
    benchmark:
        f"{RUN}/timings/extraction.tsv"
    shell:
        EXECUTE


rule ambiguities:
    input:
        notebook="notebooks/ambiguities.ipynb",
        library=library("ambiguities"),
        facts=expand("data/{file}", file=FACTS),
    output:
        f"{RUN}/notebooks/ambiguities.ipynb",
    params:
        values=values("ambiguities"),
    benchmark:
        f"{RUN}/timings/ambiguities.tsv"
    shell:
        EXECUTE


rule train:
    input:
        notebook="notebooks/heads.ipynb",
        library=library("heads"),
        facts=expand("data/{file}", file=[*FACTS, *PACK]),
        embedded=EMBEDDED,
    output:
        f"{RUN}/train/{{ptm}}-{{corpus}}.ipynb",
    params:
        values=lambda w, threads: values("heads", ptms=[w.ptm], train_corpora=[w.corpus], workers=threads),
    threads: workflow.cores
    benchmark:
        f"{RUN}/timings/train-{{ptm}}-{{corpus}}.tsv"
    shell:
        EXECUTE


# The chapters that read predictions. What the rule `train` made is in the store, so they only look it up.
for chapter in ["heads", "same-corpus", "cross-corpus", "visualization", "index"]:

    rule:
        name:
            chapter
        input:
            notebook=f"notebooks/{chapter}.ipynb",
            library=library(chapter),
            facts=expand("data/{file}", file=[*FACTS, *PACK]),
            trained=TRAINED,
        output:
            f"{RUN}/notebooks/{chapter}.ipynb",
        params:
            values=values(chapter),
        benchmark:
            f"{RUN}/timings/{chapter}.tsv"
        shell:
            EXECUTE
