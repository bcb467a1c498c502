"""The errors with which the server may reject a request that is valid by the document's schemas."""

import schemathesis

# Errors that depend on stored data, or on two fields together.
CODES = {
    "unknown_snack",
    "duplicate_snack",
    "estimated_arrival_time_required",
    "unsupported_media_type",  # bytes that are no picture
    "precondition_failed",  # If-Match with a tag that is not current
}
# Codes of fields with rules that no schema can express, inside `validation_failed`.
FIELD_CODES = {
    "wrong_password",
    "invalid_url",  # no host after http://, or a password
    "invalid_email",  # tools differ about `format: email`
    "invalid_character",  # control characters and bidirectional overrides
    "blank",  # white space and invisible characters
    "too_many_digits",  # depends on the currency
    "invalid_amount",  # a number so close to 10^12 that it is equal in binary
}
# The ends of the details of `invalid_request`, in both languages.
DETAILS = (
    "This cursor does not belong to this list and ordering.",
    "cursor 가 이 목록이나 정렬 순서의 것이 아닙니다.",
    "year, month, week and day cannot be combined with from and to.",
    "year, month, week, day 는 from, to 와 함께 쓸 수 없습니다.",
    "There is no such year, month, week or day.",
    "존재하지 않는 연, 월, 주, 일입니다.",
    "from is after to.",
    "from 이 to 보다 늦습니다.",
    # NUL in an ignored field: with an Idempotency-Key the body is stored, and Postgres cannot store NUL.
    "The request contains a value that cannot be stored.",
    "저장할 수 없는 값이 있습니다.",
    # Control characters in the name of a form's field.
    "failed to read headers.",
    "양식 데이터를 읽을 수 없습니다.",
    "Choose a shorter range or a larger unit.",
    "범위를 줄이거나 더 큰 단위를 선택해 주세요.",
)


@schemathesis.check
def rejections_have_a_known_reason(ctx, response, case):
    """A request that is valid by the document is accepted, or rejected for one of the reasons above."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code not in (400, 412, 413, 415):
        return
    problem = response.json()
    code = problem["code"]
    field_codes = {error["code"] for error in problem["errors"]}
    assert (
        code in CODES
        or (code == "validation_failed" and field_codes and field_codes <= FIELD_CODES)
        or (code == "invalid_request" and problem["detail"].endswith(DETAILS))
    ), f"{code}: {problem['detail']} {problem['errors']}"
