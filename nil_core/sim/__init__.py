"""Simulation and rendering. Importing this package selects the OpenGL backend, which MuJoCo reads when imported."""

from nil_core.sim.gl import choose_backend, import_libraries

choose_backend()
import_libraries()
