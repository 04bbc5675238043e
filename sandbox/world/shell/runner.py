"""What lets a world live: its pace, its webhooks, its memory."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from sandbox.stripe.facts import Event
from sandbox.stripe.shapes.render import event_object
from sandbox.stripe.shapes.thin import thin_notification
from sandbox.stripe.shell.webhooks import Answered, SenderSettings, WebhookSender
from sandbox.world.calendar import HOUR, text_of
from sandbox.world.commands import applied
from sandbox.world.deliveries import Delivery
from sandbox.world.jsons import JsonObject
from sandbox.world.shell.statefile import Remembered, StateFile
from sandbox.world.state import ScenarioUnmet
from sandbox.world.truth import truth_document
from sandbox.world.world import World

TICK_SECONDS: Final = 0.02
REPORT_SECONDS: Final = 1.0
# It runs for months, and each report is a line in its files.
WALL_CLOCK_REPORT_SECONDS: Final = 600.0
SLICE: Final = 6 * HOUR
"""How much simulated time passes between two looks at the servers when nothing is waited for."""

Report = Callable[[JsonObject], None]


class Runner:
    """One world, running: the pace is simulated hours a second, 0 for as fast as it goes.

    A held world stands still but for ``advance``. One on the wall clock has this machine's time,
    for somebody who tries things out by hand; it goes there at once when it is begun again.
    """

    def __init__(
        self,
        remembered: Remembered,
        *,
        file: StateFile,
        sender: SenderSettings | None,
        hours_per_second: float,
        is_held: bool,
        report: Report,
        is_on_wall_clock: bool = False,
        thin_sender: SenderSettings | None = None,
    ) -> None:
        self.is_on_wall_clock = is_on_wall_clock
        self._remembered = remembered
        self._file = file
        self._pace = hours_per_second
        self._is_held = is_held
        self._report = report
        self._answered_deliveries = {answer.delivery_id for answer in remembered.answered}
        self.answers: list[Answered] = list(remembered.answered)
        self.unmet: str | None = None
        self.is_finished = False
        self.world = World.begun(remembered.plan)
        self.sender: WebhookSender | None = None
        if sender is not None:
            self.sender = WebhookSender(sender, body_of=self._body, on_answer=self._answer)
            for answer in remembered.answered:
                self.sender.knows_answered(answer.event_id)
        self.thin_sender: WebhookSender | None = None
        if thin_sender is not None:
            # What it sent is not remembered: begun again, it sends all of it again.
            self.thin_sender = WebhookSender(
                thin_sender, body_of=self._thin_body, on_answer=lambda _: None
            )
        self._relive()

    @property
    def is_endpoint_disabled(self) -> bool:
        """Whether the endpoint is sent nothing, by somebody's wish."""
        return self.sender is not None and self.sender.is_disabled

    def is_delivered(self, event_id: str) -> bool:
        """Whether a webhook of an event was answered 2xx."""
        return self.sender is not None and self.sender.is_delivered(event_id)

    def command(self, command: JsonObject) -> JsonObject:
        """Do something to the world now, and remember that it was done.

        Raises:
            CommandRefused: The world does not know it, or cannot follow it.
        """
        if self.is_on_wall_clock:
            self._pass_to(int(time.time()))
        at = self.world.now
        made = applied(self.world.state, command)
        self._file.commanded(at, command)
        self._pass_to(at)
        return made

    def advance(self, seconds: int) -> None:
        """Let simulated time pass at once."""
        self._pass_to(self.world.now + seconds)
        self._file.reached(self.world.now)

    async def run(self) -> None:
        """Let the world live to its end, and send what it tells, until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self.sender is not None:
                group.create_task(self.sender.run())
            if self.thin_sender is not None:
                group.create_task(self.thin_sender.run())
            group.create_task(self._live())

    def progress(self) -> JsonObject:
        """How far everything is."""
        sender = self.sender
        return self.world.progress() | {
            "finished": self.is_finished,
            "unmet": self.unmet,
            "deliveries_answered": len(self.answers),
            "deliveries_open": 0 if sender is None else sender.open_count,
            "deliveries_given_up": 0 if sender is None else len(sender.given_up),
            "attempts_failed": 0 if sender is None else sender.failures,
        }

    def truth(self) -> JsonObject:
        """The books that must come out of what has happened so far."""
        return truth_document(self.world.state)

    def deliveries(self) -> JsonObject:
        """What was answered 2xx and when, what is on its way, and what is lost for ever."""
        sender = self.sender
        return {
            "answered": [
                {
                    "delivery": answer.delivery_id,
                    "event": answer.event_id,
                    "status": answer.status,
                    "attempt": answer.attempt,
                    "at": answer.at,
                }
                for answer in self.answers
            ],
            "open": 0 if sender is None else sender.open_count,
            "given_up": [] if sender is None else list(sender.given_up),
            "lost": sorted(self.world.state.lost),
        }

    def _relive(self) -> None:
        """Go through a killed world's past again, without waiting, to where it was."""
        for at, command in self._remembered.commands:
            self._pass_to(at)
            applied(self.world.state, command)
            self._pass_to(at)
        if self._remembered.reached is not None:
            self._pass_to(self._remembered.reached)

    def _pass_to(self, at: int) -> None:
        self.world.run_until(at)
        for delivery in self.world.deliveries():
            if self.sender is not None and delivery.id not in self._answered_deliveries:
                self.sender.offer(delivery)
            if self.thin_sender is not None:
                self.thin_sender.offer(delivery)

    async def _live(self) -> None:
        reported = 0.0
        begun, begun_at = time.monotonic(), self.world.now
        while not self.is_finished:
            elapsed = time.monotonic() - begun
            if not self._is_held and not self.world.is_over:
                target = self.world.now + SLICE
                if self.is_on_wall_clock:
                    target = int(time.time())
                elif self._pace > 0:
                    target = begun_at + int(elapsed * self._pace * HOUR)
                self._pass_to(target)
            every = WALL_CLOCK_REPORT_SECONDS if self.is_on_wall_clock else REPORT_SECONDS
            if time.monotonic() - reported >= every:
                reported = time.monotonic()
                self._file.reached(self.world.now)
                self._report({"event": "progress", **self.progress()})
            if self._is_done():
                self._finish()
            # At full speed it only lets others go first.
            is_hurried = self._pace == 0 and not self.is_on_wall_clock
            pause = 0 if is_hurried and not self.world.is_over else TICK_SECONDS
            await asyncio.sleep(pause)  # the world's own clock, until it is over or cancelled

    def _is_done(self) -> bool:
        senders = (self.sender, self.thin_sender)
        is_sent = all(sender is None or sender.open_count == 0 for sender in senders)
        return self.world.is_over and is_sent

    def _finish(self) -> None:
        try:
            self.world.check()
        except ScenarioUnmet as unmet:
            self.unmet = str(unmet)
        self.is_finished = True
        self._file.reached(self.world.now)
        self._report({"event": "finished", **self.progress()})

    def _body(self, delivery: Delivery) -> JsonObject:
        if delivery.body is not None:
            return delivery.body
        store = self.world.state.stripe.store
        event = store.get(Event, delivery.event_id)
        return event_object(event, pending_webhooks=1, platform=store.account)

    def _thin_body(self, delivery: Delivery) -> JsonObject:
        store = self.world.state.stripe.store
        event = store.get(Event, delivery.event_id)
        return thin_notification(event, store.dice, platform=store.account)

    def _answer(self, answered: Answered) -> None:
        self.answers.append(answered)
        self._answered_deliveries.add(answered.delivery_id)
        self._file.answered(answered)

    def close(self) -> None:
        """Let go of the state file."""
        self._file.close()

    def clock(self) -> JsonObject:
        """The world's time."""
        return {"now": self.world.now, "text": text_of(self.world.now)}
