"""The model card as HTML. It comes from the registry, so it must not bring active content into the page."""

from functools import lru_cache

from markupsafe import Markup

# The card's own headings begin below those of the page.
_DEEPER = 2
_DEEPEST = 6


@lru_cache(maxsize=1)
def as_html(markdown: str) -> Markup:
    """Render Markdown without images and links; HTML tags in it are shown as text."""
    # Imported on use: most workers never show it.
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])
    tokens = renderer.parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + _DEEPER, _DEEPEST)}"
    return Markup(renderer.renderer.render(tokens, renderer.options, {}))  # noqa: S704  # escaped by the renderer
