#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Renders a scene that no model was trained on, plays it through the three nodes and shows how good they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=out/demo
rm -rf "$out"
mkdir -p "$out"
./run python -m perception_kit.synth --split test --seed 7 --seconds 20 --out "$out/scene"
./run python -m perception_kit.replay "$out/scene" --out "$out"
./run python -m video_search.index "$out/library" "$out"
for query in "drinking vessel near the person" "when did somebody last fall"; do
  echo "\"$query\""
  ./run python -m video_search.find "$out/library" "$query" --limit 2
done
