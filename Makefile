# Everything that one does with this project by hand. `make` lists it.

export SQLX_OFFLINE ?= true

ENV_FILE := .env.docker-compose
COMPOSE  := docker compose --env-file $(ENV_FILE)

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':[^#]*## ' '/^[a-z-]+:[^#]*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- On this machine: PostgreSQL and Redis are started, and installed where apt-get can -------------------------------

.PHONY: run test faults bench lint deny sqlx openapi

run: ## build server and web app, serve at http://localhost:8000 with demo data; Ctrl-C stops all, the data stay in .local
	@scripts/run

test: ## all tests, against a PostgreSQL and Redis of their own; ARGS="..." goes to cargo test, which then runs alone
	@scripts/test $(ARGS)

faults: ## kill and cut off everything and check what is left, then fuzz every call; ARGS="--seed 7" repeats a run
	@scripts/faults $(ARGS)

bench: ## measure the release build against PostgreSQL itself and write bench/RESULTS.md; ARGS="--quick" takes two minutes
	@scripts/bench $(ARGS)

lint: ## rustfmt and clippy, as CI runs them
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

deny: ## licences, sources and known holes of the dependencies, as CI checks them
	@scripts/deny

sqlx: ## write .sqlx again, after a query or a migration changed
	@scripts/sqlx-prepare

openapi: ## print the OpenAPI document
	@cargo run --quiet --locked -- openapi

# --- With Docker Compose ----------------------------------------------------------------------------------------------

.PHONY: build up down restart logs

build: $(ENV_FILE) ## build the image with Docker Compose
	$(COMPOSE) build

up: $(ENV_FILE) ## start everything with Docker Compose, building what is missing
	$(COMPOSE) up --detach

down: $(ENV_FILE) ## stop it; the data stay
	$(COMPOSE) down

restart: $(ENV_FILE) ## restart one container: CONTAINER=snack-server (default: all)
	$(COMPOSE) restart $(CONTAINER)

logs: $(ENV_FILE) ## follow the logs: CONTAINER=snack-server (default: all)
	$(COMPOSE) logs --follow --tail=200 $(CONTAINER)

# Stops here the first time: PostgreSQL keeps the password that it is first started with.
$(ENV_FILE):
	@(umask 077 && cp $(ENV_FILE).template $(ENV_FILE))
	@echo "$(ENV_FILE) is new: fill in JWT_SECRET and DB_PASSWORD, then run make again" >&2
	@exit 1
