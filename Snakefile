# The workflow: which chapter runs when, and what it depends on. Every rule calls papermill; the work is in the
# notebooks and in lib/. Run it with `make book`, or `snakemake --cores all --configfile profiles/demo.yaml`.

import json
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

config |= {key: "" for key in ("overrides", "mirror") if key in config and config[key] is None}  # given as nothing
config.setdefault("gpus", 0)
config.setdefault("hours_per_job", 0)
CORES = workflow.resource_settings.cores or 1  # a cluster's jobs have theirs from its profile
PROFILE, SOURCE = config["profile"], config["source"]
RUN = f"_build/{PROFILE}"
SITE = "." if PROFILE in ("demo", "paper") else RUN  # below it, jupyter-book writes _build/html
CHAPTERS = [name for name in glob_wildcards("notebooks/{name,[^/]+}.ipynb").name if name not in ("model", "model-to-run")]
FACTS = glob_wildcards("data/{file,.+\\.(yaml|csv|parquet)}").file
REGISTRIES = [file for file in FACTS if file.startswith(("corpora", "models"))]
PACK = [f"embeddings/{f}" for f in glob_wildcards("data/embeddings/{file,.+\\.safetensors}").file]
OWN = [f"own/embeddings/{f}" for f in glob_wildcards("data/own/embeddings/{file,.+\\.safetensors}").file]
MODELS = glob_wildcards("notebooks/models/{ptm}.ipynb").ptm
PAGES = glob_wildcards("book/{page,.+\\.(md|py|css|js|bib|svg|html)}").page
# What a chapter and its kernel say goes into a log; of that, the screen shows how far something long has come.
LOGGED = " >> {log} 2>&1"
# What a step and all that it started had of the processors: Snakemake's own figure is of when it last looked, which
# may be half a minute before the end.
COUNTED = "trap 'times > {log}.times' EXIT; "
EXECUTE = COUNTED + ": > {log}; papermill --no-progress-bar --log-level ERROR {input.notebook} {output}"
EXECUTE += " -y '{params.values}'"
EXECUTE += " --stderr-file >(tee -a {log} | grep --line-buffered '^   - ' >&2)" + LOGGED

def look_before():
    """Read all corpora, and look at them together; return what was found, in lines."""
    from crosscorpus.training import beforehand

    mirror = config.get("mirror", "")
    try:
        return beforehand.check(config["corpora"], SOURCE, config["regimes"], config["overrides"], mirror, CORES)
    except (ValueError, OSError) as error:
        raise WorkflowError(str(error)) from None


def planned():
    """Check the profile; say what is there and what is to be made, by which jobs, in values that JSON has."""
    from crosscorpus.base import paths
    from crosscorpus.book import chapters
    from crosscorpus.embeddings import availability, extraction_jobs
    from crosscorpus.models import hidden_states
    from crosscorpus.protocols import protocol_settings
    from crosscorpus.training import profiles

    try:
        paths.check_here()
        profiles.check(config)
        layer = protocol_settings.load(config["overrides"])["layer"]
        last = layer == hidden_states.LAST
        # One that has no layers has nothing to choose from, and no part in a run of another layer than the last.
        layered = [ptm for ptm in config["ptms"] if last or hidden_states.count(ptm)]
        [hidden_states.name(ptm, layer) for ptm in layered]
    except ValueError as error:
        raise WorkflowError(str(error)) from None
    # What was made elsewhere, and added, has its row in every grid.
    added = availability.made_elsewhere(config["corpora"])
    pairs = [(ptm, corpus) for ptm in [*layered, *added] for corpus in config["corpora"]]
    pairs = list(dict.fromkeys(pair for pair in pairs if last or pair[0] not in added))
    given = [pair for pair in pairs if pair[0] in added and availability.is_stored(*pair, SOURCE)]
    held = pairs if SOURCE != "audio" and last else []
    packed = [pair for pair in held if pair[0] not in added and availability.is_stored(*pair, "pack")]
    made = [pair for pair in pairs if SOURCE != "pack" and pair not in packed and availability.can_extract(*pair)]
    if not packed + given + made:
        needs = availability.needed([*config["ptms"], *added], config["corpora"], SOURCE).to_string(index=False)
        raise WorkflowError(f"nothing can be run with profile {PROFILE}. Needed:\n{needs}")
    hours = config["hours_per_job"] if last else 0
    if hours and made:
        look_before()  # what a job can take depends on durations
    seconds = {corpus: extraction_jobs.durations(corpus) if hours else () for corpus in {c for _, c in made}}
    least = extraction_jobs.LEAST if hours else 0
    jobs = extraction_jobs.plan(made, seconds, hours, least, bool(config["gpus"]))
    shown = {ptm for ptm, _ in packed + given + made} | set(availability.models_run(config["corpora"], SOURCE))
    return {
        "of": OF,
        "parameters": {name: list(chapters.declared(name)) for name in [*CHAPTERS, "model", "model-to-run"]},
        "variants": [str(file) for file in protocol_settings.files(config["overrides"])],
        "layer": layer,
        "layered": layered,
        "added": added,
        "pairs": packed + given + made,
        "jobs": [(job.ptm, job.what, job.corpora, job.portions) for job in jobs],
        "shown": sorted(shown),
        "apart": bool(hours),
    }


# A job of a cluster reads this file again, twice. It takes what is slow to find out from the process that started it.
PLAN, OF = Path(RUN) / "plan.json", json.dumps(config, sort_keys=True)
kept = json.loads(PLAN.read_text(encoding="utf-8")) if not workflow.is_main_process and PLAN.exists() else {}
IS_KEPT = kept.get("of") == OF
plan = kept if IS_KEPT else planned()
LAYER, LAYERED, ADDED, SHOWN, VARIANTS = (plan[key] for key in ("layer", "layered", "added", "shown", "variants"))
config["ptms"] = list(dict.fromkeys([*config["ptms"], *ADDED]))
if config.get("ptm") not in (ran := [ptm for ptm, _ in plan["pairs"]]):
    config["ptm"] = ran[0]  # whose pictures are shown: one that is here
JOBS = {(ptm, what): (list(corpora), portions) for ptm, what, corpora, portions in plan["jobs"]}
EMBEDDED = [f"{RUN}/embed/{ptm}-{what}.{'ipynb' if n == 1 else 'txt'}" for (ptm, what), (_, n) in JOBS.items()]
# The chapter on heads trains all of them, on all cores; on a cluster, jobs train those of a model and a corpus before.
SIDES = {f"{ptm}-{corpus}": (ptm, [corpus]) for ptm, corpus in plan["pairs"] if plan["apart"]}
APART = [f"{RUN}/train/{side}.ipynb" for side in SIDES]
TRAINED = APART or [f"{RUN}/notebooks/heads.ipynb"]


def values(chapter, **changes):
    """The profile's values for the parameters that a chapter has, as JSON, which is YAML."""
    given = {name: config[name] for name in plan["parameters"][chapter] if name in config}
    return json.dumps(given | changes)


def page(ptm):
    """The notebook of a model's page: a short one where nothing of it has run."""
    return "model" if ptm in SHOWN else "model-to-run"


def stored(ptm):
    """What a model's page shows of what is stored; a page of one that has not run has no such parameters."""
    layer = {"layer": LAYER} if ptm in LAYERED else {}
    return {"extract": False, **layer} if ptm in SHOWN else {}


def library(chapter):
    if IS_KEPT:  # whoever started this knows what is out of date
        return []
    from crosscorpus.book import dependencies

    return dependencies.of_notebook(f"notebooks/{chapter}.ipynb")


wildcard_constraints:
    ptm="|".join([*config["ptms"], *MODELS]),
    corpora="|".join({what for _, what in JOBS} or {"none"}),
    side="|".join(SIDES) or "none",
    number="\\d+",
    total="\\d+",


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
        COUNTED
        + f": > {{log}}; CROSSCORPUS_PROFILE={PROFILE} jupyter-book build . --path-output {SITE} --quiet -W -n --keep-going"
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
PLAIN = ["ambiguities", "audit", "carried-over", "costs", "cues", "data", "noise"]
PLAIN += ["rivals-tables", "three-protocols", "which-layer"]
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
    PLAN.parent.mkdir(parents=True, exist_ok=True)
    PLAN.write_text(json.dumps(plan), encoding="utf-8")
    if JOBS:
        print("\n".join(look_before()), file=sys.stderr, flush=True)


EXTRACTION_FACTS = expand("data/{file}", file=[f for f in FACTS if f in REGISTRIES or f.startswith("own/")])


rule embed:
    input:
        notebook="notebooks/model.ipynb",
        library=library("model"),
        facts=EXTRACTION_FACTS,
    output:
        f"{RUN}/embed/{{ptm}}-{{corpora}}.ipynb",
    params:
        values=lambda w, threads: values(
            "model", ptm=w.ptm, corpora=JOBS[w.ptm, w.corpora][0], layer=LAYER, workers=threads
        ),
    threads: CORES
    resources:
        gpu=config["gpus"],
    log:
        f"{RUN}/logs/embed-{{ptm}}-{{corpora}}.log",
    benchmark:
        f"{RUN}/timings/embed-{{ptm}}-{{corpora}}.tsv"
    shell:
        EXECUTE


# A corpus that is more than a job takes: by a command, which does not load all of it as a page does.
PORTION = "--model {wildcards.ptm} --corpus {wildcards.corpora}"
PORTION += f" --mirror {shlex.quote(config['mirror'])}" if config.get("mirror") else ""


rule portion:
    input:
        library=library("model"),
        facts=EXTRACTION_FACTS,
    output:
        f"{RUN}/embed/{{ptm}}-{{corpora}}/{{number}}-of-{{total}}.txt",
    threads: CORES
    resources:
        gpu=config["gpus"],
    log:
        f"{RUN}/logs/embed-{{ptm}}-{{corpora}}-{{number}}-of-{{total}}.log",
    benchmark:
        f"{RUN}/timings/embed-{{ptm}}-{{corpora}}-{{number}}-of-{{total}}.tsv"
    shell:
        f"python -m crosscorpus.embeddings portion {PORTION} --number {{wildcards.number}} --of {{wildcards.total}}"
        " --workers {threads} > {output} 2> {log}"


rule join:
    input:
        lambda w: [
            f"{RUN}/embed/{w.ptm}-{w.corpora}/{number}-of-{JOBS[w.ptm, w.corpora][1]}.txt"
            for number in range(1, JOBS[w.ptm, w.corpora][1] + 1)
        ],
    output:
        f"{RUN}/embed/{{ptm}}-{{corpora}}.txt",
    params:
        portions=lambda w: JOBS[w.ptm, w.corpora][1],
    log:
        f"{RUN}/logs/join-{{ptm}}-{{corpora}}.log",
    benchmark:
        f"{RUN}/timings/join-{{ptm}}-{{corpora}}.tsv"
    shell:
        f"python -m crosscorpus.embeddings join {PORTION} --of {{params.portions}} > {{output}} 2> {{log}}"


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


rule train:
    input:
        notebook="notebooks/heads.ipynb",
        library=library("heads"),
        facts=expand("data/{file}", file=[*FACTS, *PACK, *OWN]),
        variants=VARIANTS,
        embedded=EMBEDDED,
    output:
        f"{RUN}/train/{{side}}.ipynb",
    params:
        values=lambda w, threads: values(
            "heads", ptms=[SIDES[w.side][0]], train_corpora=SIDES[w.side][1], workers=threads
        ),
    threads: max(1, CORES // max(1, len(APART)))
    log:
        f"{RUN}/logs/train-{{side}}.log",
    benchmark:
        f"{RUN}/timings/train-{{side}}.tsv"
    shell:
        EXECUTE


# It counts for one core only: pages that need no heads fill what its start and its end leave of the others.
rule heads:
    input:
        notebook="notebooks/heads.ipynb",
        library=library("heads"),
        facts=expand("data/{file}", file=[*FACTS, *PACK, *OWN]),
        variants=VARIANTS,
        embedded=EMBEDDED,
        trained=APART,
    output:
        f"{RUN}/notebooks/heads.ipynb",
    params:
        values=lambda w, threads: values("heads", workers=max(CORES, threads)),  # CORES are 1 on a cluster
    priority: 1
    log:
        f"{RUN}/logs/heads.log",
    benchmark:
        f"{RUN}/timings/heads.tsv"
    shell:
        EXECUTE


# The chapters that read predictions. What was trained is in the store, so they only look it up.
for chapter in sorted({*CHAPTERS} - {*PLAIN, "extraction", "heads"}):

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
