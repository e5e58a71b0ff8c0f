# The one entry for people and for CI: whatever CI runs, these targets run, with nothing CI alone knows.
# `make` prints the list; the text after `##` is what it prints.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# A caller's CARGO_TARGET_DIR is respected; binaries are looked for where cargo puts them.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

# Flags for the quickstart, for example: make quickstart QUICKSTART_FLAGS=--keep
QUICKSTART_FLAGS ?=

# Cargo tools that `scripts/prepare` had to build live outside the checkout, so a fresh clone finds them.
export SLUICEGATE_TOOLS := $(or $(SLUICEGATE_TOOLS),$(HOME)/.cache/sluicegate/tools)
export PATH := $(PATH):$(SLUICEGATE_TOOLS)/bin:$(HOME)/.cargo/bin

.PHONY: help prepare quickstart test test-live live-conformance live-llama lint advisories fmt bench fuzz faults soak reliability schema docs clean

help: ## Print this list
	@echo 'Usage: make <target>'
	@echo
	@sed -nE 's/^([a-z-]+):.*## (.*)$$/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='|' read -r target text; do \
		printf '  %-17s %s\n' "$$target" "$$text"; done
	@echo
	@echo 'Variables: QUICKSTART_FLAGS (try --keep), CARGO_TARGET_DIR, SLUICEGATE_SHARED (recorded traces)'

quickstart: ## Build, then watch traffic through four simulated backends (no cloud, no key)
	@scripts/prepare build
	cargo build --locked --release -p sluicegate -p loadtest
	$(TARGET_DIR)/release/sluicegate-loadtest quickstart $(QUICKSTART_FLAGS)

prepare: ## Install what all of these need and is missing (Debian and Ubuntu)
	@scripts/prepare build lint live

test: ## Every test that needs nothing but Rust and a C compiler
	@scripts/prepare build
	scripts/run-tests all

test-live: ## Tests with real clients: OpenAI's and Anthropic's Python packages, in .venv
	@scripts/prepare build live
	scripts/venv
	scripts/run-tests live

live-conformance: ## The clients' suite against your own backends; says what it will spend first
	@scripts/prepare build live
	scripts/venv
	scripts/live-conformance

live-llama: ## The clients' suite against a real llama.cpp server, built here, with a tiny random model
	@scripts/prepare build live
	scripts/venv
	scripts/live-llama

lint: ## Formatting, clippy, docs, licences and bans, tidiness; changes nothing
	@scripts/prepare build lint
	scripts/tidy
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps
	scripts/supply-chain bans licenses sources

advisories: ## Known vulnerabilities in what we depend on (needs the network)
	@scripts/prepare lint
	scripts/supply-chain advisories

fmt: ## Format the Rust code in place
	cargo fmt --all

bench: ## CPU per request beside the same dispatch on bare Pingora
	@scripts/prepare build
	scripts/bench
	scripts/waf-bench

fuzz: ## Ten million inputs for every parser of the firewall; `make fuzz SECONDS_EACH=60` for a minute each
	@scripts/prepare build
	scripts/fuzz

faults: ## Measure what every fault of a backend does to callers, into docs/faults.md
	@scripts/prepare build
	cargo run --locked --profile ci -p e2e --bin fault-table -- --markdown docs/faults.md

soak: ## Ten minutes at 70 % load with random faults, into docs/soak.md
	@scripts/prepare build
	cargo build --locked --profile ci --workspace --bins
	$(TARGET_DIR)/ci/soak --markdown docs/soak.md

reliability: ## Measure what limits do under stress, kills and a lost Redis, into docs/reliability.md
	@scripts/prepare build live
	scripts/reliability

schema: ## Write docs/ pages that are generated: JSON Schema, findings, metrics
	@scripts/prepare build
	scripts/schema

docs: ## Build the API documentation of every crate, private items included
	@scripts/prepare build
	cargo doc --locked --workspace --no-deps --document-private-items
	@echo 'docs: open $(TARGET_DIR)/doc/sluicegate/index.html'

clean: ## Remove what was built here: the target directory and .venv
	cargo clean
	rm -rf .venv
