"""Security and caching headers."""

from flask import Flask, Response

# Swagger UI needs its inline script and styles. Everything else comes from this service. The desk has its own policy.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def protect_answers(app: Flask) -> None:
    """Disable content sniffing, caching (except of assets), framing, and content from other origins."""

    def protect(response: Response) -> Response:
        headers = response.headers
        headers.add("X-Content-Type-Options", "nosniff")
        # Swagger UI's assets are the only files, and bring their own Cache-Control.
        if not response.direct_passthrough:
            headers.add("Cache-Control", "no-store")
        if response.content_type and response.content_type.startswith("text/html"):
            headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
        return response

    app.after_request(protect)
