"""The WSGI application for `gunicorn wsgi:app`, configured by gunicorn.conf.py."""

from loan_api.adapters.ipc.handover import Handover
from loan_api.adapters.metrics.multiprocess import write_as
from loan_api.app import create_app
from loan_api.logs import leave_out_what_no_line_shows

_handover = Handover.read()
if _handover is not None:
    write_as(_handover.slot)

leave_out_what_no_line_shows()
app = create_app()
