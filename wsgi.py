"""The WSGI application for `gunicorn wsgi:app`, configured by gunicorn.conf.py."""

from loan_api.adapters.ipc.handover import Handover
from loan_api.adapters.metrics.multiprocess import write_as
from loan_api.app import create_app
from loan_api.logs import omit_caller_and_thread

_handover = Handover.read()
if _handover is not None:
    write_as(_handover.slot)

omit_caller_and_thread()
app = create_app()
