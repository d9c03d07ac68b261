# SPDX-License-Identifier: Apache-2.0
# The few commands a person needs. All set everything up first.
.PHONY: setup demo test check bench chain chaos soak article lint docs pictures lock

setup:
	@scripts/setup.sh

demo: setup
	@scripts/demo.sh

test: setup
	@./run pytest -m "not slow" --numprocesses 2 --dist loadfile

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
	@./run python -m bench.growth --json out/bench/growth.json
	@./run python -m bench.memory
	@./run python -m bench.drawing --json out/bench/drawing.json
	@./run python -m bench.search_speed --json out/bench/search_speed.json
	@rm -rf out/bench/cameras && ./run python -m perception_kit.synth --cameras 2 --seconds 12 --fps 4 --out out/bench/cameras
	@./run python -m bench.several_cameras out/bench/cameras --cameras left right --json out/bench/several_cameras.json

# The live chain at 15 and 30 Hz, with PyTorch and with the fastest runtime.
chain: out/demo/scene
	@./run python -m bench.chain --bag out/demo/scene --out out/chain --json out/chain/chain.json

# Ten minutes of killed, frozen and starved nodes on the scene of the demo, and an hour without.
chaos: out/demo/scene
	@./run python -m bench.chaos --bag out/demo/scene --json out/chaos/chaos.json

soak: out/demo/scene
	@./run python -m bench.soak --bag out/demo/scene --out out/soak

# The articles' experiments, into docs/article.md: make article LMO=DIR YCBV=DIR PEOPLE=DIR PHOTOS=DIR
article: setup
	@./run python -m bench.article --out out/article \
	    $(if $(LMO),--lmo "$(LMO)") $(if $(YCBV),--ycbv "$(YCBV)") \
	    $(if $(PEOPLE),--people "$(PEOPLE)") $(if $(PHOTOS),--photos "$(PHOTOS)")

out/demo/scene: setup
	@test -d $@ || ./run python -m perception_kit.synth --split test --seed 7 --seconds 20 --out $@

lint: setup
	@./run ruff check .
	@./run ruff format --check .
	@./run mypy
	@./run pytest -m "not slow" test/test_import_rules.py test/test_dependencies.py

# The documentation site in out/docs; it needs no network, and a broken link is an error.
docs: setup
	@NO_MKDOCS_2_WARNING=1 ./run mkdocs build -q
	@echo "docs: out/docs/index.html; with search: python3 -m http.server -d out/docs"

# The pictures of the documentation, from out/demo.
pictures: setup
	@[ -f out/demo/report.html ] || scripts/demo.sh
	@./run python scripts/pictures.py

# Pins what pyproject.toml and requirements/ros.in ask for. Pins that are there stay; delete the file to renew them all.
lock:
	@.venv/bin/uv pip compile -q --universal --python-version 3.10 --no-annotate --no-header \
	    requirements/ros.in pyproject.toml --extra dev -o requirements/lock.txt
	@sed -i '1i # Compiled by "make lock" from ros.in and pyproject.toml.' requirements/lock.txt
