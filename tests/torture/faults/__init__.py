"""Every fault."""

from tests.torture.fault import faults_of
from tests.torture.faults import databases, machine, processes, registry

FAULTS = [each for module in (processes, registry, databases, machine) for each in faults_of(module)]
