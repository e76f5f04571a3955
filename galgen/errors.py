"""The error that a user can mend: one line, with what was expected, what came, and the remedy."""


class InputError(ValueError):
    """Input that galgen cannot use. The command line prints it without a traceback, status 2."""
