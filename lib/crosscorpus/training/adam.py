"""Adam and AdamW in place, by torch's own fused function.

What `torch.optim` gives is the same to the last bit, but its classes load seconds of modules into every process.
"""

from collections.abc import Sequence

import torch

FIRST, SECOND = 0.9, 0.999
"""The betas that torch and Keras have; a recipe may have another first one."""
EPSILON = 1e-8


class Adam:
    """The state of weights that are trained together: both moments, and the number of steps.

    Parameters
    ----------
    weights
        Whose `grad` each step reads; each has one.
    weight_decay
        As torch's; with `decoupled`, as AdamW's.
    """

    def __init__(
        self, weights: Sequence[torch.Tensor], *, weight_decay: float = 0.0, decoupled: bool = False
    ) -> None:
        self.weights = list(weights)
        self.first, self.second = ([torch.zeros_like(one) for one in self.weights] for _ in range(2))
        self.steps = torch.zeros(())
        self.weight_decay = weight_decay
        self.function = torch._fused_adamw_ if decoupled else torch._fused_adam_

    @torch.no_grad()
    def step(self, rate: float, beta: float, largest: float = 0.0, epsilon: float = EPSILON) -> None:
        """Change the weights by their gradients.

        Parameters
        ----------
        rate, beta
            Learning rate, and first beta.
        largest
            Norm of all gradients at which they are cut, as `torch.nn.utils.clip_grad_norm_` does; 0 for none.
        epsilon
            What is added to the root of the second moment.
        """
        self.steps += 1
        slopes = [one.grad for one in self.weights if one.grad is not None]
        share = None
        if largest:  # what the function divides gradients by
            norm = torch.stack(torch._foreach_norm(slopes)).norm()
            share = ((norm + 1e-6) / largest).clamp(min=1)
        self.function(
            self.weights, slopes, self.first, self.second, [], [self.steps] * len(slopes), lr=rate, beta1=beta,
            beta2=SECOND, weight_decay=self.weight_decay, eps=epsilon, amsgrad=False, maximize=False,
            grad_scale=share,
        )  # fmt: skip
