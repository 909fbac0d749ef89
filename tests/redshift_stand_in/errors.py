"""Errors as AWS and Redshift give them."""

from __future__ import annotations

from sparkify.redshift_lint.tokens import Token


class AwsError(Exception):
    """An error that a client of AWS gets, by its code."""

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
    """Redshift would not run this. Its arguments: SQLSTATE, message, detail."""


def syntax_error(token: Token) -> RefusedStatementError:
    """Return the error for a token that may not stand where it does."""
    return RefusedStatementError(
        "42601", f'syntax error at or near "{token.text}"', f"line {token.line}"
    )
