"""How the tasks of runs ended, as a store's documents tell it."""

from dataclasses import dataclass

from groundshift.artifacts.documents import Documents, place_of, safe_name
from groundshift.artifacts.outcomes import Outcome

_ENDED = "ended"


@dataclass(frozen=True)
class RunRecords:
    """What the tasks of a store's runs wrote down: `runs/<run>/<task>.json`."""

    documents: Documents

    def record(self, run: str, outcome: Outcome) -> None:
        """Write down how a task of a run ended."""
        self.documents.write(place_of("runs", run, outcome.task), outcome.to_dict())

    def recorded(self, run: str, task: str) -> Outcome | None:
        """How a task of a run ended; None if it never began."""
        document = self.documents.read(place_of("runs", run, task))
        return None if document is None else Outcome.from_dict(document)

    def refusal(self, run: str, task: str) -> Outcome | None:
        """How a task ended for good in the run as it goes on now; None if it may be tried.

        A run that was ended and is taken up again by hand, its cause repaired, tries everything.
        """
        outcome = self.recorded(run, task)
        if outcome is None or not outcome.final:
            return None
        ended = self.documents.look(place_of("runs", run, _ENDED))
        written = self.documents.look(place_of("runs", run, task))
        over = ended is not None and (written is None or ended.modified >= written.modified)
        return None if over else outcome

    def end(self, run: str) -> None:
        """Write down that a run has ended."""
        self.documents.write(place_of("runs", run, _ENDED), {})

    def of(self, run: str) -> tuple[Outcome, ...]:
        """How all tasks of a run ended, by name."""
        ended = place_of("runs", run, _ENDED)
        names = [item.name for item in self.documents.listed(f"runs/{safe_name(run)}/")]
        documents = (self.documents.read(name) for name in names if name != ended)
        return tuple(Outcome.from_dict(document) for document in documents if document)
