"""All faults."""

from tests.torture.fault import faults_of
from tests.torture.faults import clock, databases, machine, processes, registry

FAULTS = [each for module in (processes, registry, databases, machine, clock) for each in faults_of(module)]
