"""The parts of the CDM that omop-scorer reads or generates."""
