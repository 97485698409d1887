"""Muon for matrices and AdamW for the rest, or AdamW for all, and their state as named tensors."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor, nn

from models.configuration import OptimizerConfig

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic that drives singular values towards 1 in few steps (Jordan et al. 2024)."""


def orthogonalise(matrices: Tensor, steps: int) -> Tensor:
    """Float [N, r, c]: each matrix with its singular values near 1 (0.7 to 1.2 after 5 steps), its directions kept.

    In the dtype that comes in: bfloat16, as elsewhere, is slower than float32 on a CPU.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose update of each matrix is made orthogonal (Jordan et al. 2024), with decoupled weight decay.

    Updates are scaled by 0.2·√max(rows, columns), so that their mean square is AdamW's and one learning rate serves
    both (Liu et al. 2025, Moonlight, section 2.2). Matrices of one shape are orthogonalised together.
    """

    def __init__(self, params: Any, learning_rate: float, weight_decay: float, momentum: float, steps: int) -> None:
        """`params`: matrices alone."""
        defaults = {"lr": learning_rate, "weight_decay": weight_decay, "momentum": momentum, "steps": steps}
        super().__init__(params, defaults)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every matrix that has a gradient. `closure` is not called."""
        for group in self.param_groups:
            of_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    mean = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                    mean.lerp_(parameter.grad, 1 - group["momentum"])
                    ahead = parameter.grad.lerp(mean, group["momentum"])  # Nesterov's look ahead
                    of_shape[parameter.shape].append((parameter, ahead))
            for shape, pairs in of_shape.items():
                updates = orthogonalise(torch.stack([ahead for _, ahead in pairs]), group["steps"])
                for (parameter, _), update in zip(pairs, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update, alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)
        return None


def build_optimizers(model: nn.Module, config: OptimizerConfig) -> list[torch.optim.Optimizer]:
    """Every parameter in one optimizer. Norms do not decay, nor embeddings, whose rare rows would fade."""
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        inner = parameter.dim() == 2 and not name.startswith(("embedding", "head"))
        (matrices if inner else others).append(parameter)
    rate, betas = config.learning_rate, (config.beta1, config.beta2)
    if config.kind == "muon":
        return [
            Muon(matrices, rate, config.weight_decay, config.momentum, config.orthogonal_steps),
            torch.optim.AdamW(others, rate, betas, config.epsilon, weight_decay=0.0, fused=True),
        ]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [torch.optim.AdamW(groups, rate, betas, config.epsilon, fused=True)]


def optimizer_tensors(model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """The optimizers' state as copies: "<parameter's name>/<what>" to tensor. Empty before the first step."""
    found = {}
    for name, parameter in model.named_parameters():
        for optimizer in optimizers:
            for key, value in optimizer.state.get(parameter, {}).items():
                found[f"{name}/{key}"] = torch.as_tensor(value).detach().clone()
    return found


def restore_optimizers(model: nn.Module, optimizers: list[torch.optim.Optimizer], tensors: dict[str, Tensor]) -> None:
    """Put a state from `optimizer_tensors` back, on each parameter's device.

    Raises KeyError, with the name, if it belongs to another model.
    """
    parameters = dict(model.named_parameters())
    owner = {one: optimizer for optimizer in optimizers for group in optimizer.param_groups for one in group["params"]}
    for key, value in tensors.items():
        name, _, what = key.rpartition("/")
        if name not in parameters:
            raise KeyError(f"The optimizer's state has {key!r}, and the model has no parameter {name!r}.")
        parameter = parameters[name]
        # a copy of its own: memory that a file was read into may be aligned otherwise, and sums then round otherwise
        owner[parameter].state[parameter][what] = value.to(parameter.device, copy=True)
