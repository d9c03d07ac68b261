# SPDX-License-Identifier: Apache-2.0
# The few commands a person needs. `demo` and `test` set everything up first.
.PHONY: setup demo test lint

setup:
	@scripts/setup.sh

demo: setup
	@scripts/demo.sh

test: setup
	@./run pytest

lint: setup
	@./run ruff check .
	@./run ruff format --check .
