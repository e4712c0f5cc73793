# Every target is one command of the installer, which needs nothing but python3 and finds or fetches the rest.
PYTHON ?= python3
INSTALLER = $(PYTHON) platform/installer

.DEFAULT_GOAL := help
.PHONY: help run prod rolling-restart box-image test check lint demo attack chaos bench sign-ins doctor compose-trial fresh-machine

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | awk -F'|' '{ printf "  make %-14s %s\n", $$1, $$2 }'

run: ## Set up what is missing and start Selfsmith on http://127.0.0.1:8000 (SELFSMITH_PORT, SEED=no)
	@$(INSTALLER) run

test: ## Run the whole suite, with PostgreSQL, Redis, gVisor and a browser (ARGS="-k name" goes to pytest)
	@$(INSTALLER) test $(ARGS)

check: ## Run the fast part: style, types, layers, templates, migrations, tests without boxes and browser
	@$(INSTALLER) check $(ARGS)

lint: ## Run the checks of `make check` without its tests
	@$(INSTALLER) lint

demo: ## Play the main job headless in an installation of its own that is removed afterwards
	@$(INSTALLER) demo

MODE ?= all
chaos: ## Break things under load and check that nothing is lost or done twice (MODE=worker-kill, ARGS="--runs 100 --faults 10")
	@$(INSTALLER) chaos --mode $(MODE) $(ARGS)

bench: ## Measure, and write docs/performance.md anew (ONLY=boxes for one group); run nothing beside it
	@$(INSTALLER) bench $(if $(ONLY),--only $(ONLY))

attack: ## Fire the hostile programs at this installation's boxes and show how each ends (ONLY=name fires one)
	@$(INSTALLER) attack

prod: ## Start production processes behind your proxy (SELFSMITH_HOSTS, SELFSMITH_WEBS=2, SELFSMITH_WORKERS=2)
	@$(INSTALLER) prod

rolling-restart: ## Start the processes of a running `make prod` anew, one after the other (same variables)
	@$(INSTALLER) rolling-restart

box-image: ## Make the image of the boxes, for docker-compose.yml
	@$(INSTALLER) box-image

sign-ins: ## Make new sign-ins for the seeded accounts of the installation that runs
	@$(INSTALLER) sign-ins

doctor: ## Say what of the set-up is there and what is missing
	@$(INSTALLER) doctor

compose-trial: ## Prove docker-compose.yml with images made here, and remove it (root, docker-compose)
	@$(PYTHON) tests/compose_trial.py

fresh-machine: ## Prove the set-up: `make demo` in a bare Debian 13 that has python3 and make only (root)
	@tests/fresh_machine.sh
