"""Headers that keep browsers, and whatever caches in between, from doing more with an answer than is meant."""

from flask import Flask, Response

# Swagger UI's page has a script and styles of its own in it; everything else it needs comes from here.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def protect_answers(app: Flask) -> None:
    """No content type is guessed, no answer kept but files, and no page framed or given anything from elsewhere."""

    def protect(response: Response) -> Response:
        headers = response.headers
        headers.add("X-Content-Type-Options", "nosniff")
        # Files, which are Swagger UI's, say themselves for how long they may be kept.
        if not response.direct_passthrough:
            headers.add("Cache-Control", "no-store")
        if response.content_type and response.content_type.startswith("text/html"):
            headers.add("Content-Security-Policy", _PAGE_POLICY)
        return response

    app.after_request(protect)
