"""What is learned of a chat model while it answers: how it counts tokens, whether it begins within a thought."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foliod.ollama.inference import ModelFacts

MARGIN = 1.05
MOST = 4.0
"""An estimated token is never taken for more of the model's."""
FORGOTTEN = 0.1
"""Share by which the factor comes back towards what was counted last, when that is less."""


@dataclass(slots=True)
class Habits:
    """One model's."""

    factor: float = 1.0
    """Tokens of the model for one that is estimated; never below 1."""
    opens_thought: bool = False
    """It wrote the end of a thought whose beginning its template had written."""
    num_ctx: int | None = None
    """The context it was loaded with last."""

    def counted(self, tokens: int, estimated: int) -> None:
        """Learn from a prompt's real length. A part that Ollama had in mind is not always counted: too few says nothing."""
        ratio = tokens / max(estimated, 1)
        if ratio * MARGIN > self.factor:
            self.factor = min(ratio * MARGIN, MOST)
        else:
            self.factor = max(1.0, self.factor + FORGOTTEN * (ratio - self.factor))


@dataclass(slots=True)
class Acquaintances:
    """The habits of the models met since the start."""

    _known: dict[tuple[str, str], Habits] = field(default_factory=dict)

    def of(self, facts: ModelFacts) -> Habits:
        """Return a model's habits; another build of it is another model."""
        return self._known.setdefault((facts.name, facts.digest), Habits(opens_thought=facts.opens_thought))
