# The commands of this project. `make` lists them.

export SQLX_OFFLINE ?= true

ENV_FILE := .env.docker-compose
COMPOSE  := docker compose --env-file $(ENV_FILE)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the commands
	@awk -F ':[^#]*## ' '/^[a-z-]+:[^#]*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- On this machine. PostgreSQL and Redis are started, and on Debian installed if they are missing -------------------

.PHONY: run test faults scale fuzz bench lint deny sqlx openapi

run: ## build and serve at http://localhost:8000 with demo data; Ctrl-C stops everything, the data stay in .local
	@scripts/run

test: ## run all tests; ARGS="..." runs only the server's, with these arguments of cargo test
	@scripts/test $(ARGS)

faults: ## kill and disconnect the services under load and check the data, then fuzz; ARGS="--seed 7" repeats a run
	@scripts/faults $(ARGS)

scale: ## the same on larger installations: Redis Cluster, a standby PostgreSQL, servers behind a proxy
	@scripts/scale $(ARGS)

fuzz: ## send generated requests and check the responses against the OpenAPI document
	@scripts/fuzz $(ARGS)

bench: ## measure the release build beside pgbench and write bench/RESULTS.md; ARGS="--quick" takes two minutes
	@scripts/bench $(ARGS)

lint: ## check format, lints and imports
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	scripts/check-imports

deny: ## check licences, sources and known vulnerabilities of the dependencies
	@scripts/deny

sqlx: ## update .sqlx after a change of a query or a migration
	@scripts/sqlx-prepare

openapi: ## print the OpenAPI document
	@cargo run --quiet --locked -- openapi

# --- With Docker Compose ----------------------------------------------------------------------------------------------

.PHONY: build up down restart logs

build: $(ENV_FILE) ## build the image with Docker Compose
	$(COMPOSE) build

up: $(ENV_FILE) ## build if necessary, and start everything with Docker Compose
	$(COMPOSE) up --detach

down: $(ENV_FILE) ## stop everything and keep the data
	$(COMPOSE) down

restart: $(ENV_FILE) ## restart one container: CONTAINER=snack-server (default: all)
	$(COMPOSE) restart $(CONTAINER)

logs: $(ENV_FILE) ## follow the logs: CONTAINER=snack-server (default: all)
	$(COMPOSE) logs --follow --tail=200 $(CONTAINER)

# The first call stops here, because PostgreSQL keeps the password of its first start.
$(ENV_FILE):
	@(umask 077 && cp $(ENV_FILE).template $(ENV_FILE))
	@echo "$(ENV_FILE) is new: fill in JWT_SECRET and DB_PASSWORD, then run make again" >&2
	@exit 1
