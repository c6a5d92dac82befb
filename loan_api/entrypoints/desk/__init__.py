"""The desk: web pages for reviewers and risk officers, rendered by the server.

`blueprint.py` guards the pages: sign-in, scope and CSRF token are checked before a view runs. Each `*_page.py` declares
the views of one page, which call a service and show its result in a template. `sessions.py` keeps sign-ins, and
`links.py`, `wording.py` and `application_form.py` prepare what templates show. Pages work without scripts, load nothing
from other origins, and contain relative links only, so that they work behind any path prefix.
"""
