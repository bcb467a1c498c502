"""What Schemathesis cannot know from a schema: which refusals of a well-formed request the server is free to give."""

import schemathesis

# Refusals that follow from what is stored, or from two fields together.
CODES = {
    "unknown_snack",  # the uid of no snack
    "duplicate_snack",  # one snack twice
    "estimated_arrival_time_required",  # for some statuses
    "unsupported_media_type",  # bytes that are no picture
    "precondition_failed",  # If-Match with a tag that is not current
}
# Broken rules of fields, of the code `validation_failed`, that no schema tells.
RULES = {
    "wrong_password",
    "invalid_url",  # what follows http:// is no host, or a password is in it
    "invalid_email",  # tools differ about what `format: email` takes
    "invalid_character",  # control characters, and those that turn the direction of text
    "blank",  # white space and invisible characters
    "too_many_digits",  # for the currency that results
    "invalid_amount",  # a number so close to 10^12 that it is that in binary
}
# How the details of `invalid_request` end, in either language.
DETAILS = (
    "this cursor does not belong to this list and ordering",  # opaque, but a string
    "year, month, week and day do not go with from and to",
    "there is no such year, month, week or day",
    "from is after to",
    # NUL in a field that is passed over otherwise: with an Idempotency-Key the body is kept, and Postgres knows no NUL.
    "a value that cannot be stored",
    "failed to read headers",  # control characters in the name of a form's field
    "that is more than 1000 periods",
)


@schemathesis.check
def refusals_are_beyond_the_schema(ctx, response, case):
    """A request that keeps the document is accepted, or refused for one of the reasons above."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code not in (400, 412, 413, 415):
        return
    problem = response.json()
    code = problem["code"]
    broken = {error["code"] for error in problem["errors"]}
    assert (
        code in CODES
        or (code == "validation_failed" and broken and broken <= RULES)
        or (code == "invalid_request" and problem["detail"].endswith(DETAILS))
    ), f"{code}: {problem['detail']} {problem['errors']}"
