# Two commands are enough: `make run` and `make test`. Nothing needs to be installed before them.

PORT ?= 8080
ROOT ?= ./onmiss-data
PICTURES ?=
TESTS ?= tests
WORKERS ?= $(shell expr 2 \* $$(nproc))
BIN := .venv/bin

# what a command gets that must agree with the running service
ONMISS := ONMISS_HOSTS__IMAGES__LISTEN=127.0.0.1:$(PORT) ONMISS_RENDER__RESAMPLER=vips $(BIN)/onmiss

.DEFAULT_GOAL := help
.PHONY: help run test features bench bench-pictures soak golden contact-sheet clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: ## start nginx and the renderer with sample pictures; PICTURES=DIR imports your own, PORT=N and ROOT=DIR are settings
	@scripts/bootstrap run
ifeq ($(strip $(PICTURES)),)
	@$(BIN)/python scripts/samples.py "$(ROOT)/samples"
	@$(ONMISS) import --root "$(ROOT)" --quiet "$(ROOT)/samples"
else
	@echo "importing $(PICTURES)"
	@$(ONMISS) import --root "$(ROOT)" --quiet "$(patsubst ~/%,$(HOME)/%,$(PICTURES))" || [ $$? -eq 1 ]
endif
	@exec env ONMISS_RENDER__RESAMPLER=vips $(BIN)/onmiss up --root "$(ROOT)" --port $(PORT)

test: ## check style and types, and run every test, with real servers; TESTS=PATH runs some
	@scripts/bootstrap test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

features: ## which rows of docs/features.md a passing test proves
	@scripts/bootstrap test
	@[ -f .features.json ] || $(BIN)/python -m pytest -q -n $(WORKERS) -m feature >&2 || true
	@$(BIN)/python scripts/features.py

bench: ## ratios of hits, misses, imports and purges, side by side in one run, into bench/RESULTS.md
	@scripts/bootstrap test
	$(BIN)/python -m bench

bench-pictures: ## pixels against sharp, pyvips, thumbor and ipx, side by side in one run, into bench/RESULTS.md
	@scripts/bootstrap test
	$(BIN)/python -m bench pictures servers

soak: ## the long proofs in full: hundreds of kills and reloads under load, which `make test` runs shortened
	@scripts/bootstrap test
	ONMISS_SOAK=1 $(BIN)/python -m pytest -s -q --timeout 3600 tests/e2e/test_storms.py tests/e2e/test_reload.py tests/e2e/test_purge.py tests/e2e/test_pruning.py tests/test_removal.py tests/migrate/test_couchdb_to_s3.py tests/picture/test_fuzz.py

golden: ## write the golden outputs anew, to be read before they are committed
	@scripts/bootstrap test
	ONMISS_GOLDEN=write $(BIN)/python -m pytest -q tests/golden tests/picture/test_golden_pictures.py

contact-sheet: ## every picture of the corpus, or of PICTURES=DIR, on one HTML page below ./contact-sheet
	@scripts/bootstrap test
	@$(BIN)/python scripts/contact_sheet.py $(if $(strip $(PICTURES)),"$(patsubst ~/%,$(HOME)/%,$(PICTURES))") -o contact-sheet

clean: ## remove what was built; pictures and cache under $(ROOT) stay
	rm -rf .venv build dist contact-sheet .features.json .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
