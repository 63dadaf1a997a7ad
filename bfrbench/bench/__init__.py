"""The bench: boards, runs that survive anything, scorecards."""
