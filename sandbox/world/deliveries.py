"""Which webhooks are sent when: doubled, out of order, late, or never."""

from dataclasses import dataclass

from sandbox.stripe.facts import Event
from sandbox.world.calendar import DAY, HOUR, MINUTE
from sandbox.world.dice import Dice
from sandbox.world.jsons import JsonObject
from sandbox.world.scenario import DeliveryPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One sending of one event.

    ``body`` replaces the event's own (a contradiction that was planted). ``after`` is an event
    which must have been answered 2xx before. ``attempts_max`` of 0 is the sender's own limit.
    """

    id: str
    event_id: str
    due: int
    body: JsonObject | None = None
    after: str | None = None
    attempts_max: int = 0


def deliveries_of(
    event: Event, part: DeliveryPart, dice: Dice, *, end: int, is_clean: bool
) -> list[Delivery]:
    """The sendings of an event, first to last; none if the webhook is lost for ever.

    A clean event is sent once, at once: what was planted on it must not be lost by chance.
    """
    prompt = event.created + dice.between(f"delay/{event.id}", 1, 3)
    if is_clean:
        return [Delivery(id=f"{event.id}#1", event_id=event.id, due=min(prompt, end))]
    if dice.happens(f"drop/{event.id}", part.drop):
        return []
    due = prompt
    if dice.happens(f"late/{event.id}", part.late):
        due += dice.between(f"late-by/{event.id}", 26 * HOUR, 60 * HOUR)
    elif dice.happens(f"reorder/{event.id}", part.reorder):
        due += dice.between(f"reorder-by/{event.id}", 10 * MINUTE, 12 * HOUR)
    dues = [due]
    if dice.happens(f"duplicate/{event.id}", part.duplicate):
        dues.append(due + dice.between(f"duplicate-by/{event.id}", 1, DAY))
    return [
        Delivery(id=f"{event.id}#{copy}", event_id=event.id, due=min(at, end))
        for copy, at in enumerate(dues, start=1)
    ]


def ordered_deliveries(
    event: Event, dice: Dice, *, times: int, late_seconds: int, end: int
) -> list[Delivery]:
    """The sendings of an event as somebody has ordered them: so often, so late."""
    due = event.created + dice.between(f"delay/{event.id}", 1, 3) + late_seconds
    return [
        Delivery(id=f"{event.id}#{copy}", event_id=event.id, due=min(due, end))
        for copy in range(1, times + 1)
    ]
