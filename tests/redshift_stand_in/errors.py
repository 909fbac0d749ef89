"""Errors of AWS and Redshift."""

from __future__ import annotations

from sparkify.redshift_lint.tokens import Token


class AwsError(Exception):
    """An error that AWS returns to a client."""

    def __init__(
        self, code: str, message: str, status: int = 400, **fields: str
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.fields = {"message": message, "Message": message, **fields}


def invalid(message: str) -> AwsError:
    """Return the error for a request that breaks a rule."""
    return AwsError("ValidationException", message)


class RefusedStatementError(Exception):
    """Redshift refuses a statement. Arguments: SQLSTATE, message, detail."""

    def __init__(self, code: str, message: str, detail: str = "") -> None:
        super().__init__(code, message, detail)


def not_imitated(what: str) -> RefusedStatementError:
    """Return the error for a feature that the stand-in lacks."""
    return RefusedStatementError("0A000", f"{what} is not imitated")


def syntax_error(token: Token) -> RefusedStatementError:
    """Return the error for an unexpected token."""
    return RefusedStatementError(
        "42601", f'syntax error at or near "{token.text}"', f"line {token.line}"
    )
