"""What schemathesis does not know by itself: one JSON value a line, and what no schema can say."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def as_lines(ctx, value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.deserializer("application/x-ndjson")
def first_line(ctx, response):
    return json.loads(response.text.splitlines()[0])


@schemathesis.hook
def map_case(context, case):
    """A good cursor is one that a page of the same list has given: none is made up as a good one."""
    mode = case.meta.generation.mode if case.meta else None
    if mode is not None and mode.is_positive and case.query:
        case.query.pop("cursor", None)
    return case
