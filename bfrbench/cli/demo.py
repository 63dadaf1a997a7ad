"""`bfrbench demo`: what works on this machine, shown by doing it."""


def demo() -> int:
    """Show what works here, on this machine, now."""
    return 0
