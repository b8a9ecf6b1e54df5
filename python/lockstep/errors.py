"""What goes wrong, as exceptions. The messages are those of the program and of its server."""


class LockstepError(Exception):
    """All of them."""


class StartError(LockstepError):
    """The program is missing or did not start. `exit_code` is the program's: 2 bad input, 3 bad environment,
    4 a rank died; None where it has none."""

    def __init__(self, message: str, exit_code: int | None = None):
        super().__init__(message)
        self.exit_code = exit_code


class RequestError(LockstepError, ValueError):
    """The server refuses a request: a prompt that is too long, a parameter out of range. `status` is that of HTTP."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


class ServerError(LockstepError):
    """The server could not answer: it has failed, or has ended."""
