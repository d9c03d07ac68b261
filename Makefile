# SPDX-License-Identifier: Apache-2.0
# The few commands a person needs. All set everything up first.
.PHONY: setup demo test check bench chaos soak lint

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

# Ten minutes of killed, frozen and starved nodes on the scene of the demo, and an hour without.
chaos: out/demo/scene
	@./run python -m bench.chaos --bag out/demo/scene --json out/chaos/chaos.json

soak: out/demo/scene
	@./run python -m bench.soak --bag out/demo/scene --out out/soak

out/demo/scene: setup
	@test -d $@ || ./run python -m perception_kit.synth --split test --seed 7 --seconds 20 --out $@

lint: setup
	@./run ruff check .
	@./run ruff format --check .
	@./run mypy
	@./run pytest test/test_import_rules.py test/test_dependencies.py
