# `make help` lists the targets. All of them make the environment first, from requirements.lock.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# A CPU-only PyTorch for a machine without a GPU: make book TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
CORES ?= all

ENV := .venv/.made
LOCKED := --no-deps --require-hashes -r requirements.hashed
PIP := pip install -qq --disable-pip-version-check
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONUNBUFFERED := 1
unexport PYTHONDONTWRITEBYTECODE # or each program compiles all that it loads, every time
export HF_HUB_DISABLE_TELEMETRY := 1
SNAKEMAKE := snakemake --cores $(CORES) --nolock --rerun-incomplete --logger crosscorpus

.DEFAULT_GOAL := help
.PHONY: help env opensmile cluster download book paper own quick predict smoke bundle merge verify pack picture listen pdf \
  folds sensitivity layers protocols reruns scaling texts noise amounts temperatures coverage rehearsal check-gpu \
  bench-extraction bench-training bench-frames bench-layers bench-small bench-portions bench-scores test test-site \
  test-mutations test-faults test-cluster audit-packages reference lint format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# An environment is of the folder that it was made in: its programs and the library that they load are that folder's.
# In a checkout that was copied or moved with it, it is made anew.
MADE_HERE := import importlib.util, os, re; same = lambda one, other: os.path.realpath(one) == os.path.realpath(other); \
  program, library = open(".venv/bin/snakemake").read(999), importlib.util.find_spec("crosscorpus").origin; \
  print(same(library, "lib/crosscorpus/__init__.py") and same(re.search("/.*(?=/python)", program)[0], ".venv/bin"))
ifneq ($(wildcard $(ENV)),)
ifneq ($(shell .venv/bin/python -c '$(MADE_HERE)' 2>/dev/null),True)
OF_ANOTHER := yes
.PHONY: $(ENV)
endif
endif

# Most is installed by uv, side by side and from its cache; by pip where uv fails, as with an index that only pip's
# settings name. PyTorch is left to pip: which build it is, those settings and TORCH_INDEX say.
# What the chapters and their programs load is compiled by loading it once; most of what is installed nothing loads.
LOADED := crosscorpus.training.engine,transformers.models.whisper.modeling_whisper
LOADED += snakemake.cli,papermill.cli,ipykernel.kernelapp,pandas.io.formats.style,matplotlib.pyplot,sklearn.manifold,sklearn.linear_model,scipy.stats
env: $(ENV) ## make the environment in .venv from the lock

$(ENV): requirements.lock requirements.hashed pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed, $(PYTHON) is %d.%d; name one with make PYTHON=/path/to/python3.11" % sys.version_info[:2])'
	@$(if $(OF_ANOTHER),echo "The environment in .venv is of another folder (this checkout was copied or moved): it is made anew" && rm -rf .venv)
	@start=$$(date +%s) && echo "Making the environment in .venv (some minutes, once)" \
	  && $(PYTHON) -m venv .venv \
	  && echo "  1 of 3: PyTorch" \
	  && $(PIP) --no-compile $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' requirements.lock)" \
	  && echo "  2 of 3: everything else" \
	  && sed -n '/^uv==/,/[^\\]$$/p' requirements.hashed > .venv/uv.txt \
	  && $(PIP) --no-compile --no-deps --require-hashes -r .venv/uv.txt \
	  && { uv pip install -q --system-certs --python .venv/bin/python $(LOCKED) || $(PIP) --no-compile $(LOCKED); } \
	  && echo "  3 of 3: this project" \
	  && $(PIP) --no-compile --no-deps --editable . \
	  && { for modules in $(LOADED); do python -c "import $$modules" & done; wait; } \
	  && echo "The environment took $$(( $$(date +%s) - start )) s" && touch $@

opensmile: env ## add openSMILE for eGeMAPS (free for research only)
	@$(PIP) --no-deps -r requirements-opensmile.lock

cluster: env ## add what starts jobs on a SLURM cluster
	@$(PIP) --no-deps -r requirements-cluster.lock

download: env ## fetch the paper's corpora and models that are not here
	@python -m crosscorpus.embeddings.downloads --profile paper

book: env ## run the chapters on the embedded data and build the site
	@$(SNAKEMAKE) --configfile profiles/demo.yaml
	@python -m crosscorpus.book.ending demo

paper: download ## the full run from audio; what cannot be had is reported and skipped
	@$(SNAKEMAKE) --configfile profiles/paper.yaml
	@python -m crosscorpus.book.ending paper

# Corpora of your own, with spaces or commas between. Each run of other corpora has a folder of its own.
comma := ,
space := $(subst ,, )
IDS := $(sort $(subst $(comma),$(space),$(CORPUS)))
OWN := own-$(subst $(space),_,$(IDS))
GRID := $(foreach chapter,data your-corpus same-corpus cross-corpus,_build/$(OWN)/notebooks/$(chapter).ipynb) added

own: env ## your corpora in the grid beside the pack's: make own CORPUS=<id>; pages in _build/own-<id>/notebooks/
	@test -n "$(IDS)" || { echo "Name your corpus: make own CORPUS=<id>, or CORPUS=\"<id> <id>\" (see CONTRIBUTING.md)"; exit 2; }
	@$(SNAKEMAKE) --configfile profiles/own.yaml --config 'profile=$(OWN)' \
	  'corpora=["emodb", "ravdess"$(foreach id,$(filter-out emodb ravdess,$(IDS)),$(comma) "$(id)")]' \
	  $(if $(OVERRIDES),'overrides="$(OVERRIDES)"') -- $(or $(GOAL),$(GRID))
	@python -m crosscorpus.book.ending $(OWN)

quick: env ## a first grid in seconds, with baselines alone: make quick CORPUS="<id> <id>" [MODEL=<id>]; page in _build/quick/
	@python -m crosscorpus.book.first_grid $(if $(MODEL),--model '$(MODEL)') -- $(IDS)

# By the environment, so that a name may have blanks, quotes and all else that a shell would read.
export AUDIO

predict: env ## emotions of your recordings: make predict AUDIO=<folder or file> [MODEL=<id>] [TRAINED_ON=<ids>] [HEAD=fcn]
	@$(if $(AUDIO),,echo "Name your recordings: make predict AUDIO=<folder or file>"; exit 2)
	@python -m crosscorpus.book.own_recordings $(if $(MODEL),--model '$(MODEL)') \
	  $(if $(TRAINED_ON),--trained-on '$(TRAINED_ON)') $(if $(HEAD),--head '$(HEAD)') -- "$$AUDIO"

smoke: env ## every chapter in seconds, results without meaning
	@$(SNAKEMAKE) --configfile profiles/smoke.yaml -- chapters
	@python -m crosscorpus.book.ending smoke

# What was extracted and trained here, for others: make bundle; theirs, for you: make merge BUNDLE=their.zip
BUNDLE ?= _build/bundle.zip
CELLS ?= 5

bundle: env ## what may be passed on of embeddings and predictions, as one archive: make bundle [BUNDLE=mine.zip] [BY=name]
	@python -m crosscorpus.training.bundles write '$(BUNDLE)' --by '$(BY)'

merge: env ## check somebody's bundle and add what is not here: make merge BUNDLE=their.zip
	@python -m crosscorpus.training.bundles merge '$(BUNDLE)'

verify: env ## train a random sample of stored cells again and compare: make verify [CELLS=5] [FROM=elsewhere]
	@python -m crosscorpus.training.verification --cells $(CELLS) $(if $(FROM),--elsewhere)

pack: env ## make data/embeddings/ again from audio and weights, and compare
	@python -m crosscorpus.embeddings.pack

picture: book ## draw the README's picture again
	@python -m crosscorpus.book.headline

listen: env ## the book with the recordings of your mirror to be heard, for this machine alone: _build/listen/
	@$(SNAKEMAKE) --configfile profiles/demo.yaml --config profile=listen listen=True
	@python -m crosscorpus.book.ending listen

pdf: book ## print the book to _build/crosscorpus.pdf, with a Chromium on this machine
	@python -m crosscorpus.book.pdf

folds: env ## make data/folds/ again from the file lists
	@python -m crosscorpus.protocols.folds

sensitivity: env ## measure what each choice moves that the paper leaves open; writes data/results/sensitivity.csv
	@python -m crosscorpus.verdict.sensitivity

layers: env ## measure what each layer of a transformer is worth, from audio: make layers [POOLING=exact]
	@python -m crosscorpus.verdict.layer_study $(if $(POOLING),--pooling $(POOLING))

protocols: env ## run the paper's, EmoBox's and SER Evals' protocols on the mirror's corpora; writes data/results/protocols.csv
	@python -m crosscorpus.verdict.protocol_study

reruns: env ## train the paper's cells again with other seeds and folds; writes data/results/reruns.parquet
	@python -m crosscorpus.verdict.reruns

scaling: env ## measure what scaling by a corpus's or a speaker's own mean and variance moves; writes data/results/scaling.csv
	@python -m crosscorpus.verdict.scaling_effects

texts: env ## measure what texts that test and training share are worth; writes data/results/texts.csv
	@python -m crosscorpus.verdict.text_leak

noise: env ## measure what noise and a telephone's band cost, from audio: make noise [POOLING=exact] [EACH=0]
	@python -m crosscorpus.verdict.noise_study $(if $(POOLING),--pooling $(POOLING)) $(if $(EACH),--each $(EACH))

amounts: env ## measure how scores grow with what is trained on; writes data/results/amounts.csv
	@python -m crosscorpus.verdict.data_amounts

temperatures: env ## fit temperatures on validation parts and see whether they carry over; writes data/results/temperatures.csv
	@python -m crosscorpus.verdict.temperatures

coverage: env ## simulate how often intervals over speakers hold the truth; writes data/results/coverage.csv
	@python -m crosscorpus.verdict.interval_coverage

# The whole of `make paper` on synthetic audio and random weights, in a copy of the project below _build/. On a laptop:
# make rehearsal SIZE=0.02 ARCHITECTURES=tiny SEEDS=0 OVERRIDES=epochs=2
# It ends with a look whether every page and file says what it is, and with its costs: CLIPS recordings go through
# networks of the true size.
SIZE ?= 1
ARCHITECTURES ?= full
SEEDS ?=
CLIPS ?= 8
REHEARSAL := $(CURDIR)/_build/rehearsal-synthetic

rehearsal: env ## run all of `make paper` on synthetic audio and random weights: make rehearsal [SIZE=0.02] [ARCHITECTURES=tiny]
	@python -m benchmarks.rehearsal --size $(SIZE) --architectures $(ARCHITECTURES) \
	  $(if $(SEEDS),--seeds $(SEEDS)) $(if $(OVERRIDES),--overrides '$(OVERRIDES)')
	@cd $(REHEARSAL)/project && export PYTHONPATH=$(REHEARSAL)/project/lib CROSSCORPUS_MIRROR=$(REHEARSAL)/mirror \
	  CROSSCORPUS_CACHE=$(REHEARSAL)/cache && python -m crosscorpus.embeddings.downloads --profile paper \
	  && $(SNAKEMAKE) --configfile profiles/paper.yaml -- $(or $(GOAL),book) \
	  && python -m crosscorpus.book.ending rehearsal-synthetic
	@$(if $(GOAL),,python -m benchmarks.labels)
	@python -m benchmarks.costs --clips $(CLIPS)

check-gpu: ## run every path of a CUDA GPU, timed and compared with the CPU; writes data/results/gpu.csv
	@PYTHONPATH=lib $(or $(GPU_PYTHON),python3) -m benchmarks.gpu

bench-extraction: env ## measure extraction against the plain way; writes _build/bench/extraction.json
	@python -m benchmarks.extraction

bench-training: env ## measure training against the plain way; writes _build/bench/training.json
	@python -m benchmarks.training

bench-layers: env ## measure what layers and frames cost, and reading frames; writes _build/bench/layers.json
	@python -m benchmarks.layers

bench-frames: env ## measure training on frames against a loop over padded batches; writes _build/bench/frames.json
	@python -m benchmarks.frames

bench-small: env ## measure what early stopping costs on small training sets; writes _build/bench/small.json
	@python -m benchmarks.small

bench-portions: env ## measure time and memory of extraction in portions as a corpus grows; writes _build/bench/portions.json
	@python -m benchmarks.portions

bench-scores: env ## measure time and memory of scoring 100 million predictions (SHARE=0.1: a tenth); writes _build/bench/scores.json
	@python -m benchmarks.scores --share $(or $(SHARE),1)

lint: env ## style, format, types, order of imports and spelling
	@ruff check
	@ruff format --check
	@mypy --num-workers auto
	@lint-imports --no-cache
	@codespell

format: env ## put code and notebooks into the project's format
	@ruff check --fix
	@ruff format

test: lint ## lint, types, unit tests, notebooks as regression tests, the site in a browser
	@OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile --no-loadscope-reorder --nbval-lax --nbval-current-env  # side by side, not threads on threads

test-site: book ## look at every page of the built book in a browser
	@pytest -n 0 tests/test_site.py tests/test_numbers.py --site _build/html

test-mutations: env ## put faults into the library, one after the other, and see that tests notice
	@pytest -n 2 tests/test_mutations.py --all-faults

test-faults: env ## kill, fill, damage and tamper, all of it; writes _build/bench/faults.json
	@pytest tests/faults --faults full -n 2 --dist loadfile --no-loadscope-reorder

test-cluster: cluster ## run a small grid on a SLURM cluster that is started on this machine, and kill what works there
	@pytest -n 0 tests/cluster

# Apart from the environment, so that it needs none. Where advisories cannot be looked up, pip-audit finds nothing,
# which is not the same as nothing to find.
ADVISORIES := import json, urllib.request as u; json.load(u.urlopen("https://pypi.org/pypi/pip/25.0/json", timeout=20))["vulnerabilities"]

audit-packages: ## known vulnerabilities of the locked packages (needs the network)
	@if $(PYTHON) -c '$(ADVISORIES)' 2>/dev/null; then \
	  $(PYTHON) -m venv _build/audit && _build/audit/bin/$(PIP) --no-compile pip-audit \
	  && _build/audit/bin/pip-audit --strict --no-deps --disable-pip -r requirements.lock -r requirements-opensmile.lock -r requirements-cluster.lock; \
	  else echo "NOT RUN: pypi.org gives no advisories here"; fi

reference: smoke ## keep the notebooks' outputs that `make test` compares with
	@python -m tests.keep_reference

# The CUDA packages come with torch itself, which is installed with its own dependencies.
COMPILE := uv pip compile pyproject.toml --extra test --python-version 3.11 --no-annotate --no-header --quiet
TIDY := sed -E '/^(nvidia-|cuda-|triton==)/d; s/^(torch==[0-9.]+)\+cpu/\1/'

lock: env ## choose new versions for requirements.lock, with their hashes, and for the two locks of extras
	@$(COMPILE) --upgrade | $(TIDY) > requirements.new && mv requirements.new requirements.lock
	@uv pip compile requirements.lock --no-deps --generate-hashes --python-version 3.11 --no-annotate --no-header \
	  --quiet --output-file requirements.hashed
	@for extra in opensmile cluster; do $(COMPILE) --extra $$extra --constraints requirements.lock | $(TIDY) \
	  | grep -vxFf requirements.lock > requirements-$$extra.lock; done

clean: ## remove everything generated, except the environment
	@rm -rf _build .snakemake
