"""What schemathesis does not know by itself: one JSON value a line."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def as_lines(ctx, value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.deserializer("application/x-ndjson")
def first_line(ctx, response):
    return json.loads(response.text.splitlines()[0])
