"""Training: one loop for any loss, checkpoints, metrics and devices."""

from galgen.training.checkpoint import Checkpoints
from galgen.training.reward_tuning import RewardTuning, Round
from galgen.training.state import Loss, TrainState
from galgen.training.trainer import Trainer

__all__ = ["Checkpoints", "Loss", "RewardTuning", "Round", "TrainState", "Trainer"]
