# SPDX-License-Identifier: Apache-2.0
# The few commands a person needs. All set everything up first.
.PHONY: setup demo test check bench lint

setup:
	@scripts/setup.sh

demo: setup
	@scripts/demo.sh

test: setup
	@./run pytest -m "not slow"

# What takes longer: trainings, replays and rendered scenes from end to end.
check: setup
	@./run pytest -m slow

bench: setup
	@.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps -r requirements/bench.txt
	@./run python -m bench.tracking --json out/bench/tracking.json
	@./run python -m bench.segmentation --json out/bench/segmentation.json
	@./run python -m bench.pose --json out/bench/pose.json
	@./run python -m bench.look_twice --json out/bench/look_twice.json
	@./run python -m bench.actions --json out/bench/actions.json
	@./run python -m bench.memory
	@./run python -m bench.drawing --json out/bench/drawing.json
	@./run python -m bench.search_speed --json out/bench/search_speed.json

lint: setup
	@./run ruff check .
	@./run ruff format --check .
	@./run mypy
	@./run pytest test/test_import_rules.py test/test_dependencies.py
