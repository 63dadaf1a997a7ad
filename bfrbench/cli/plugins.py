"""`bfrbench plugins`."""

import cyclopts

app = cyclopts.App(name="plugins")
