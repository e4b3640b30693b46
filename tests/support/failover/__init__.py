"""The failure table: every way in which a provider fails, when, in whose dialect, and what the client saw.

`faults` is the table of failures, `cells` their product with phases, dialects and candidates, `clients` how a client of each
dialect asks and reads, `driving` one running Corral in which every cell really happens, `rules` what holds in every cell,
`document` what is written down: `outcomes.json` here, and docs/reference/failover.md made of it.

`python -m tests.support.failover` drives all cells and writes both anew.
"""
