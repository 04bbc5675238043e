"""What the ledger decides by when it starts: what is in force, at the very first what files say."""

from services.ledger.shell.activated import read_activations
from services.ledger.shell.books import Books
from services.ledger.shell.deciding import Decider
from shared.runtime.postgres import Database


async def learn_what_is_in_force(database: Database, decider: Decider, books: Books) -> None:
    """Decide and sum by what the journal says was put in force.

    Raises:
        InvariantBroken: It was put in force by a later program than this.
        Unavailable: The database is away.
    """
    async with database.transaction() as tx:
        decider.learn(await read_activations(tx))
    books.learn(decider.activations().book_maps())
