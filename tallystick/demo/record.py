"""What a demo remembers on disk, so that one that was cut off goes on where it stood."""

import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

from sandbox.stack.ports import free_ports
from tallystick.processes import SERVICES

RECORD_NAME: Final = "demo.json"
_WORLD_PORTS: Final = ("stripe", "bank")


@dataclass(frozen=True, slots=True)
class DemoRecord:
    """One demo: what was asked for, where it listens, and whether it came to its end.

    ``ends_on`` is the day on which the simulated month ends; a run that goes on keeps it, so
    that the world is the same. ``speed`` is simulated hours per second; 0 is without waiting.
    """

    scenario: str
    seed: int | None
    payments: int | None
    speed: float | None
    ends_on: str
    webhook_secret: str
    ports: dict[str, int]
    is_over: bool = False

    @classmethod
    def new(
        cls,
        *,
        scenario: str,
        seed: int | None,
        payments: int | None,
        speed: float | None,
        ends_on: str,
    ) -> Self:
        """A demo that has not begun, on ports that are free now."""
        names = (*(service.name for service in SERVICES), *_WORLD_PORTS)
        return cls(
            scenario=scenario,
            seed=seed,
            payments=payments,
            speed=speed,
            ends_on=ends_on,
            webhook_secret=f"whsec_{secrets.token_hex(24)}",
            ports=dict(zip(names, free_ports(len(names)), strict=True)),
        )

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The demo of a folder; ``None`` when there is none that can be read."""
        try:
            return cls(**json.loads((folder / RECORD_NAME).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, folder: Path) -> None:
        """Write it so that a crash leaves the old record or the new one."""
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{RECORD_NAME}.new"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(self), indent=2), "utf-8")
        draft.replace(folder / RECORD_NAME)

    def over(self) -> "DemoRecord":
        """The same demo, come to its end."""
        return replace(self, is_over=True)

    def asks_the_same(self, other: "DemoRecord") -> bool:
        """Whether both are the same month told in the same way."""
        return (self.scenario, self.seed, self.payments) == (
            other.scenario,
            other.seed,
            other.payments,
        )
