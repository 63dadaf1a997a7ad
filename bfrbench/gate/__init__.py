"""The regression gate: a candidate and a baseline of the same board to a verdict; pure functions of cards and rows.

Running boards is the business of `bfrbench.bench`, the statistics that of `bfrbench.stats`.
"""

from bfrbench.gate.judging import judge
from bfrbench.gate.sides import Side, board_of, open_side
from bfrbench.gate.verdict import Judged, Outcome, Verdict

__all__ = ["judge", "Side", "open_side", "board_of", "Judged", "Outcome", "Verdict"]
