# Thin face over `python -m data_prep` and `python -m experiments`; `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python

MODEL ?=
VARIANT ?=
CUBE ?=
SET ?=
FORCE ?=
RUN ?=
RAW ?= data/raw
YEARS ?= 2010-2014
NATIONAL_YEARS ?=
NAME ?=
LA ?=
PREFER ?=
ONLY ?=
FROM ?=
N ?=
LAS ?=
VARIANTS ?=
WORKERS ?=
CLUSTER ?=
WHERE ?=
REFITS ?=
RUNS ?=
UNIT ?=
PAGES ?=
STORED ?=
YES ?=
FILE ?=
CONFIG ?=
RENDER ?=
QUICK ?=
REPEATS ?=
PEERS ?=
OUTCOMES ?=

# One word each, so that an empty variable adds no argument.
choice = $(if $(VARIANT),--variant '$(VARIANT)') $(if $(CUBE),--cube '$(CUBE)') $(foreach item,$(SET),--set '$(item)')

workers = $(if $(WORKERS),--workers '$(WORKERS)') $(if $(CLUSTER),--cluster '$(CLUSTER)')
where = $(foreach item,$(WHERE),--where '$(item)')

# A cube is named after its years unless it is given a name.
cube_name = $(or $(NAME),published-$(YEARS))

# Simulated England is built when no other cube is named.
default_cube = $(if $(CUBE),,results/cubes/simulated.nc)

.PHONY: help setup fit check report list data data-list cube profile simulate test recovery calibrate aftermath-study docs lint lock clean
.PHONY: runs prune export import fits multiverse findings site compare sensitivity test-slow test-browser la-page bench bench-scale

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: ## create .venv from requirements.lock (every other target does this first)
	@sh scripts/setup.sh

fit: setup $(default_cube) ## fit and report: MODEL= [VARIANT=] [CUBE=] [SET="path=value ..."] [FORCE=1]
	@$(PY) -m experiments fit --model '$(MODEL)' $(choice) $(if $(FORCE),--force)

check: setup $(default_cube) ## check a config against its cube without fitting: same variables as fit
	@$(PY) -m experiments check --model '$(MODEL)' $(choice)

report: setup ## render again: RUN=id a run's report, or CUBE= a cube's data report
	@$(if $(CUBE),$(PY) -m experiments data-report --cube '$(CUBE)')
	@$(if $(or $(RUN),$(if $(CUBE),,none)),$(PY) -m experiments report --run '$(RUN)')

fits: setup $(default_cube) ## fit and report several variants, or all: MODEL= [VARIANTS="a b"] [WORKERS=2 | CLUSTER=tcp://host:8786] [CUBE=] [SET=]
	@$(PY) -m experiments fits --model '$(MODEL)' $(foreach item,$(VARIANTS),--variant '$(item)') $(if $(CUBE),--cube '$(CUBE)') $(foreach item,$(SET),--set '$(item)') $(workers)

multiverse: setup $(default_cube) ## every sensible combination of options, fitted and drawn: MODEL= [WORKERS= | CLUSTER=] [STORED=1]
	@$(PY) -m experiments multiverse --model '$(MODEL)' $(choice) $(workers) $(if $(STORED),--stored)

findings: setup $(default_cube) ## the study's findings held against a cube, by rules in experiments/findings.toml: [CUBE=] [WORKERS= | CLUSTER=] [STORED=1] [SET=] [CONFIG=]
	@$(PY) -m experiments findings $(if $(CUBE),--cube '$(CUBE)') $(if $(CONFIG),--config '$(CONFIG)') $(foreach item,$(SET),--set '$(item)') $(workers) $(if $(STORED),--stored)

site: setup ## all stored pages under one index, results/site and results/site.zip: [RENDER=1 renders reports that runs lack]
	@$(PY) -m experiments site $(if $(RENDER),--render)

compare: setup $(default_cube) ## estimands, configs and predictions side by side: MODEL= VARIANTS="base spatial" or RUNS="id id" [UNIT=la|year|cell|inspection|none] [NAME=]
	@$(PY) -m experiments compare --model '$(MODEL)' $(foreach item,$(VARIANTS),--variant '$(item)') $(foreach item,$(RUNS),--run '$(item)') $(if $(CUBE),--cube '$(CUBE)') $(foreach item,$(SET),--set '$(item)') $(if $(UNIT),--unit '$(UNIT)') $(if $(NAME),--name '$(NAME)') $(workers)

sensitivity: setup $(default_cube) ## what an answer leans on, added to the run's report: MODEL= [VARIANT=] or RUN=id [REFITS=20]
	@$(PY) -m experiments sensitivity $(if $(RUN),--run '$(RUN)',--model '$(MODEL)' $(choice)) $(if $(REFITS),--refits '$(REFITS)') $(workers)

runs: setup ## list stored runs, what is stale and why: [WHERE="model=deprivation reportable=false"]
	@$(PY) -m experiments runs $(where)

prune: setup ## list the stored runs that meet every condition, and remove them with YES=1: WHERE="stale=true"
	@$(PY) -m experiments prune $(where) $(if $(YES),--yes)

export: setup ## write a run as one zip into results/exports: RUN=id
	@$(PY) -m experiments export --run '$(RUN)'

import: setup ## take in a zip that export wrote, and render its report: FILE=path
	@$(PY) -m experiments import --file '$(FILE)'

list: setup ## list models, their questions and experiments
	@$(PY) -m experiments list

data: setup ## download the official files into RAW: [ONLY="name ..."] [FROM=folder of files at hand]; names: make data-list
	@$(PY) -m data_prep data --out '$(RAW)' $(if $(ONLY),--only $(ONLY)) $(if $(FROM),--from '$(FROM)')

data-list: setup ## list what make data downloads, and where each file can be downloaded by hand
	@$(PY) -m data_prep data --list

cube: setup ## build and report published England: RAW=folder YEARS=2010-2014 [NATIONAL_YEARS=2001-2014] [NAME=] [PREFER=latest|first] [LEAST_CHILDREN=5000]
	@$(PY) -m data_prep cube --raw '$(RAW)' --years '$(YEARS)' $(if $(NATIONAL_YEARS),--national-years '$(NATIONAL_YEARS)') --name '$(cube_name)' $(if $(PREFER),--prefer '$(PREFER)') $(if $(LEAST_CHILDREN),--least-children $(LEAST_CHILDREN))
	@$(PY) -m experiments data-report --cube '$(cube_name)'

profile: setup ## one authority's series: LA="Leeds" [CUBE=]
	@$(PY) -m data_prep profile --la '$(LA)' $(if $(CUBE),--cube '$(CUBE)')

la-page: setup ## one authority across models, from stored runs: LA="Leeds" [CUBE=]
	@$(PY) -m experiments la-page --la '$(LA)' $(if $(CUBE),--cube '$(CUBE)')

simulate: setup ## build simulated England again
	@$(PY) -m data_prep simulate

results/cubes/simulated.nc: $(wildcard data_prep/*.py data_prep/simulated/*.py) | setup
	@$(PY) -m data_prep simulate

test: setup ## run the tests that every change must pass, all but those in a browser
	@$(PY) -m pytest -q -n auto --dist loadfile --ignore=tests/browser

test-browser: setup ## pages in a real browser: console, widths, and accessibility by axe-core; [PAGES="a.html b.html"] more pages to judge
	@sh scripts/browser.sh
	@CSC_PAGES='$(PAGES)' $(PY) -m pytest -q -rs tests/browser

test-slow: setup ## the slow tests too: Dask schedulers and workers that come and go, whole fits
	@CSC_SLOW_TESTS=1 $(PY) -m pytest -q tests/experiments/test_cluster.py tests/experiments/test_shared_code.py tests/experiments/test_compare.py tests/experiments/test_sensitivity.py tests/docs/test_tutorial.py tests/benchmarks

recovery: setup ## recovery of known truth over 20 simulated Englands (half an hour); writes docs/recovery/
	@$(PY) -m experiments recover --model '$(or $(MODEL),national_trend)'

calibrate: setup $(default_cube) ## simulation-based calibration: MODEL= [VARIANT=] [N=200] [LAS=30] (resumable); writes docs/calibration/
	@$(PY) -m experiments calibrate --model '$(or $(MODEL),national_trend)' $(choice) $(if $(N),--replicates '$(N)') $(if $(LAS),--las '$(LAS)')

aftermath-study: setup ## coverage of aftermath where judgements follow bad years: [N=50]; writes docs/decisions/
	@$(PY) -m experiments.aftermath_study $(if $(N),--replicates '$(N)')

bench: setup ## speed of fits beside other tools (40 min, with brms over an hour); writes docs/benchmarks.md: [QUICK=1] [REPEATS=3] [PEERS=python that has pystan or numpyro; brms is found by Rscript]
	@$(PY) -m benchmarks $(if $(QUICK),--quick) $(if $(REPEATS),--repeats $(REPEATS)) $(if $(PEERS),--peers '$(PEERS)')

bench-scale: setup ## time and memory of fits against size; writes docs/benchmarks-scale.md: [QUICK=1] [LAS="150 600"] [OUTCOMES="1 2"]
	@$(PY) -m benchmarks $(if $(QUICK),--quick) scale $(if $(LAS),--las $(LAS)) $(if $(OUTCOMES),--outcomes $(OUTCOMES))

docs: setup ## write the documentation pages that come from the code
	@$(PY) -m experiments docs

lint: setup ## style and types
	@$(PY) -m ruff format --check . && $(PY) -m ruff check . && $(PY) -m mypy

lock: setup ## resolve requirements.lock again from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.12 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" -q -o requirements.lock

clean: ## remove the environment, caches and results
	rm -rf .venv .cache results
