"""What gunicorn serves: `gunicorn wsgi:app`, configured by gunicorn.conf.py."""

from loan_api.adapters.metrics.multiprocess import write_as
from loan_api.adapters.metrics.slots import worker_slot
from loan_api.app import create_app
from loan_api.logs import leave_out_what_no_line_shows

_slot = worker_slot()
if _slot is not None:
    write_as(_slot)

leave_out_what_no_line_shows()
app = create_app()
