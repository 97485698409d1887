"""AdamW (Loshchilov and Hutter 2019) over a decoder, and its state as named tensors."""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn


class OptimizerConfig(BaseModel):
    """AdamW's numbers. The rate is the peak: `models.schedule` scales it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    learning_rate: float = Field(default=6e-3, gt=0, description="Peak learning rate.")
    weight_decay: float = Field(default=0.1, ge=0, description="Decay of matrices; norms and embeddings have none.")
    beta1: float = Field(default=0.9, ge=0, lt=1, description="Decay of the mean of gradients.")
    beta2: float = Field(default=0.95, ge=0, lt=1, description="Decay of the mean of their squares.")
    epsilon: float = Field(default=1e-8, gt=0, description="Added to the root of that mean.")


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW, in one fused kernel a step. Matrices decay; norms don't, nor embeddings, whose rare rows would fade."""
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (matrices if parameter.dim() >= 2 and "embedding" not in name else others).append(parameter)
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    betas = (config.beta1, config.beta2)
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], config.learning_rate, betas, config.epsilon, fused=True
    )


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as copies: "<parameter's name>/<what>" to tensor. Empty before its first step."""
    found = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            found[f"{name}/{key}"] = torch.as_tensor(value).detach().clone()
    return found


def restore_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put a state from `optimizer_tensors` back, on each parameter's device.

    Raises KeyError, with the name, if it belongs to another model.
    """
    parameters = dict(model.named_parameters())
    for key, value in tensors.items():
        name, _, what = key.rpartition("/")
        if name not in parameters:
            raise KeyError(f"The optimizer's state has {key!r}, and the model has no parameter {name!r}.")
        parameter = parameters[name]
        # a copy of its own: memory that a file was read into may be aligned otherwise, and sums then round otherwise
        optimizer.state[parameter][what] = value.to(parameter.device, copy=True)
