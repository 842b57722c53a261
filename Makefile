# Thin face over `python -m data_prep` and `python -m experiments`; see `make help`.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python

.PHONY: setup
setup: ## create or update .venv from requirements.lock (every other target does this first)
	@sh scripts/setup.sh

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'
