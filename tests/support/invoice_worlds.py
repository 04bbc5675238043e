"""Random worlds of invoices: what is billed, paid and taken back, with the simulator's own figures.

Each happening tells its messages, in one of the shapes that versions have used, and writes down what
the accounts must hold on accrual basis and on cash basis. It never asks the rules.
"""

from collections.abc import Callable
from typing import Final

from hypothesis import strategies as st

from tests.support.invoice_bills import Billing, finalized
from tests.support.invoice_ends import (
    charged,
    give_up,
    give_up_too_early,
    pay,
    take_back,
    void,
)


def bill(world: Billing) -> None:
    """An invoice from its finalization to its end, all in one version's shapes."""
    is_old = world.maybe()
    made = finalized(world, is_old=is_old)
    end: Callable[[], None] = world.draw(
        st.sampled_from(
            [
                lambda: pay(world, made, is_old=is_old),
                lambda: give_up(world, made),
                lambda: give_up_too_early(world, made),
                lambda: void(world, made),
                lambda: world.event(made.shown),
            ]
        )
    )
    end()


def bill_with_a_credit_note(world: Billing) -> None:
    """An invoice that is paid, open or given up, a part of which is taken back."""
    is_old = world.maybe()
    made = finalized(world, is_old=is_old)
    take_back(world, made, is_old=is_old)
    end: Callable[[], None] = world.draw(
        st.sampled_from(
            [
                lambda: pay(world, made, is_old=is_old),
                lambda: give_up(world, made),
                lambda: give_up_too_early(world, made),
                lambda: world.event(made.shown),
            ]
        )
    )
    end()


def sale(world: Billing) -> None:
    """A payment without any invoice."""
    charged(world, world.number(1, 10**9))


HAPPENINGS: Final[tuple[Callable[[Billing], None], ...]] = (bill, bill_with_a_credit_note, sale)


@st.composite
def invoice_worlds(draw: st.DrawFn) -> Billing:
    """A few invoices of any kinds."""
    world = Billing(draw)
    for happen in draw(st.lists(st.sampled_from(HAPPENINGS), min_size=1, max_size=4)):
        happen(world)
    return world
