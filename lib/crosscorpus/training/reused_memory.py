"""Matrices that are written again for each batch.

What a step needs is some megabytes, and asking the system for them anew takes longer than what is done with them.
"""

from dataclasses import dataclass, field

import torch


@dataclass
class Memory:
    """Matrices by name, that grow with the largest batch."""

    kept: dict[tuple[str, int], torch.Tensor] = field(default_factory=dict)

    def matrix(self, name: str, rows: int, columns: int) -> torch.Tensor:
        """Return a float32 matrix of this size, with whatever stands in it."""
        if (name, columns) not in self.kept or len(self.kept[name, columns]) < rows:
            self.kept[name, columns] = torch.empty(rows, columns)
        return self.kept[name, columns][:rows]
