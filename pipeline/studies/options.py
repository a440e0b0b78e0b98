"""Options that the studies of students share."""

from __future__ import annotations

from typing import Annotated

import typer

Seeds = Annotated[int, typer.Option("--seeds", min=1, max=100, help="Trainings of each student.")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="In place of the recipe's.")]
Samples = Annotated[int | None, typer.Option("--samples", min=1, help="Views an epoch, in place of the recipe's.")]
