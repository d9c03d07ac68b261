# SPDX-License-Identifier: Apache-2.0
"""Train an action model: ``python -m actionrec_node.train --data DIR --val DIR --out FILE --run-dir DIR``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from actionrec_node.action_model import ActionModel, ActionModelSpec, save_action_model
from actionrec_node.data import LabelledVideo, Segment, class_names_of, load_videos, read_annotations
from actionrec_node.evaluation import evaluate, format_scores
from actionrec_node.resnext3d import ARCHITECTURES
from actionrec_node.training_clips import ClipSettings, TrainingClips, batches, inverse_frequency_weights
from perception_kit import training

CACHE_MARGIN = 8 / 7  # training frames are kept this much larger than the input, for sharp crops
EMA_DECAY = 0.998


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line of the training command."""
    parser = argparse.ArgumentParser(prog="python -m actionrec_node.train", description="Train an action model on labelled videos.")
    parser.add_argument("--data", type=Path, action="append", required=True, help="training data folder; may be given several times")
    parser.add_argument("--val", type=Path, required=True, help="held-out data folder, never trained on")
    parser.add_argument("--architecture", choices=list(ARCHITECTURES), default="resnext3d_compact")
    parser.add_argument("--augmentation", choices=["none", "one", "some", "all"], default="some", help="filters applied to a clip")
    parser.add_argument(
        "--balance",
        choices=["sampling", "weights", "none"],
        default="sampling",
        help="draw all classes equally often, or weight the loss by inverse class frequency, or neither",
    )
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="peak of AdamW's schedule (default %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare clips (default %(default)s)")
    training.add_training_arguments(parser, max_minutes=25, batch_size=16)
    return parser.parse_args(arguments)


def read_folders(folders: list[Path], held_out: Path) -> tuple[dict[Path, list[Segment]], dict[Path, list[Segment]]]:
    """Annotations to train on and to score on. Raises ValueError when a video is on both sides."""
    train_annotations: dict[Path, list[Segment]] = {}
    for folder in folders:
        train_annotations |= {path.resolve(): segments for path, segments in read_annotations(folder).items()}
    val_annotations = {path.resolve(): segments for path, segments in read_annotations(held_out).items()}
    shared = sorted(train_annotations.keys() & val_annotations.keys())
    if shared:
        raise ValueError(
            f"{len(shared)} videos are in both --data and --val, for example '{shared[0]}': a held-out video must not be trained on"
        )
    return train_annotations, val_annotations


def moving_average(averaged: torch.Tensor, current: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """Exponential moving average of the weights whose decay grows to EMA_DECAY, so that it forgets the random start at once."""
    decay = torch.clamp((1 + count) / (10 + count), max=EMA_DECAY)
    return averaged + (1 - decay) * (current - averaged)


class Trainer:
    """One run: network, its moving average, optimiser and clock."""

    def __init__(self, args: argparse.Namespace, fabric: Fabric, spec: ActionModelSpec, clips: TrainingClips) -> None:
        self.args, self.fabric, self.clips = args, fabric, clips
        model = ActionModel(spec)
        self.average = AveragedModel(model, avg_fn=moving_average, use_buffers=True).to(fabric.device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=0.02)
        self.model, self.optimizer = fabric.setup(model, optimizer)
        self.clock = training.TrainingClock(args.max_minutes, args.steps)
        self.loss_weights = inverse_frequency_weights(clips.counts).to(fabric.device) if args.balance == "weights" else None

    def step(self, clips: torch.Tensor, labels: torch.Tensor) -> float:
        """One optimiser step; returns the loss."""
        factor = training.warmup_cosine(self.clock.progress, self.clock.step, warmup_steps=100)
        for group in self.optimizer.param_groups:
            group["lr"] = self.args.learning_rate * factor
        loss = functional.cross_entropy(self.model(clips), labels, weight=self.loss_weights, label_smoothing=0.05)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.model, self.optimizer, max_norm=5.0)
        self.optimizer.step()
        self.average.update_parameters(self.model.module)
        self.clock.tick()
        return loss.item()

    def run(self) -> None:
        """Train until the clock is finished; a checkpoint at least every two minutes and at the end."""
        self.model.train()
        loader = batches(self.clips, self.args.batch_size, self.clock.step, self.args.workers)
        with tqdm(total=100, desc="training", unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}") as bar:
            for clips, labels in loader:
                if self.clock.finished:
                    break
                loss = self.step(clips.to(self.fabric.device), labels.to(self.fabric.device))
                bar.update(100 * self.clock.progress - bar.n)
                bar.set_postfix(step=self.clock.step, loss=f"{loss:.3f}")
                if self.clock.step % 20 == 0:
                    training.append_log(self.args.run_dir, {"step": self.clock.step, "loss": loss, "progress": self.clock.progress})
                if self.clock.checkpoint_due():
                    self.save()
        self.save()

    def save(self) -> None:
        """Write RUN_DIR/last.ckpt."""
        state = {
            "model": self.model.module.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "clock": self.clock.state_dict(),
        }
        training.save_checkpoint(self.args.run_dir / "last.ckpt", state)

    def resume(self) -> None:
        """Go on from RUN_DIR/last.ckpt. The stream of clips needs no state: it goes on from the step."""
        state = training.load_checkpoint(self.args.run_dir / "last.ckpt")
        self.model.module.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.clock.load_state_dict(state["clock"])


def load_data(args: argparse.Namespace) -> tuple[ActionModelSpec, list[LabelledVideo], list[LabelledVideo]]:
    """Model specification, training videos and held-out videos."""
    train_annotations, val_annotations = read_folders(args.data, args.val)
    spec = ActionModelSpec(args.architecture, tuple(class_names_of(train_annotations)))
    size = spec.input_size[0]
    train_videos = load_videos(train_annotations, spec.class_names, spec.clip_fps, round(size * CACHE_MARGIN), spec.clip_length)
    val_videos = load_videos(val_annotations, spec.class_names, spec.clip_fps, size, spec.clip_length)
    return spec, train_videos, val_videos


def main(arguments: list[str] | None = None) -> None:
    """Train, score on the held-out videos, write the model and its record."""
    args = parse_arguments(arguments)
    fabric = training.create_fabric(args)
    spec, train_videos, val_videos = load_data(args)
    settings = ClipSettings(spec.clip_length, spec.input_size[0], args.augmentation, args.balance, args.seed)
    clips = TrainingClips(train_videos, spec.class_names, settings)
    data: dict[str, Any] = {
        "train_videos": len(train_videos),
        "held_out_videos": len(val_videos),
        "train_windows": dict(zip(spec.class_names, clips.counts.tolist(), strict=True)),
    }
    print(f"training on {data}")
    trainer = Trainer(args, fabric, spec, clips)
    if args.resume:
        trainer.resume()
    trainer.run()
    save_action_model(args.out, trainer.average.module)
    scores = evaluate(trainer.average.module, val_videos)
    print(format_scores(scores))
    record = training.write_record(args.out, args, trainer.clock, data, scores)
    print(f"model {args.out}, record {record}")


if __name__ == "__main__":
    main()
