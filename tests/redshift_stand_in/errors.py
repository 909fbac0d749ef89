"""Errors as AWS gives them."""

from __future__ import annotations


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
    """Give the error for a request that breaks a rule."""
    return AwsError("ValidationException", message)
