"""
arXiv in simulated time: its calendar, papers and faults, served over three channels on loopback.

Begin at `model.make_world`, which decides what is announced and when; `server.SimulatedArxiv`
serves it, and `bot.SimulatedBot` runs the service against it. Facts: arXiv help, "Availability",
"RSS", "OAI-PMH" and "API user manual" (docs/sources.md cites them).
"""
