"""A page that shows episodes of a policy in 3D, beside its reference. The only module that imports viser."""

from __future__ import annotations

import io
import threading
import time
from contextlib import redirect_stdout

import nil_core.sim  # noqa: F401  chooses the OpenGL backend before anything imports mujoco

# isort: split
import mujoco
import numpy as np
import viser

from nil_core.experiment.experiment import Experiment, build_scene
from nil_core.experiment.live_episodes import LiveEpisodes
from nil_core.sim.visual_meshes import visual_meshes
from nil_core.types import Color, Doubles, Frames

END_SECONDS = 1.0
"""For which the last pose of an episode is shown."""

IDLE_SECONDS = 1.0
"""Between looks for a browser; a browser that connects, and every control, ends the wait."""

MOST_FRAMES = 50.0
"""Poses sent per second, at most."""

PICTURE_SIDE = 240
"""Pixels to which small frames of the reference are enlarged, about the width of the panel."""

GHOST_COLOR: Color = (80, 160, 255)
GHOST_OPACITY = 0.4
FLOOR_COLOR: Color = (205, 210, 216)


class WebView:
    """A page that shows episodes in 3D, the reference's video beside them, and controls.

    Args:
        experiment: gives the robot and the reference.
        episodes: what is shown; stepped by the thread that calls :meth:`run`.
        host, port: to listen on.
        seed: of the first episode.
        title: of the page.

    Attributes:
        port: that it listens on; another one if the port was taken meanwhile.
        robot: the robot of the policy.
        ghost: the robot in the pose of the reference's motion; None if the reference has no motion.
    """

    def __init__(
        self, experiment: Experiment, episodes: LiveEpisodes, host: str, port: int, seed: int, title: str
    ) -> None:
        self._experiment = experiment
        self._episodes = episodes
        self._control_hz = experiment.config.environment.control_hz
        self._wake = threading.Event()
        self._wanted_seed: int | None = None
        self._paused = False
        self._sent = float("-inf")
        model = build_scene(experiment.config, experiment.choice, detailed=True).model
        with redirect_stdout(io.StringIO()):  # it prints a banner
            self._server = viser.ViserServer(host=host, port=port, label=title, verbose=False)
        self.port = self._server.get_port()
        try:
            self._world = _add_world(self._server, experiment)
            self.robot = RobotNodes(self._server, model, "/world/robot")
            self.ghost = self._add_ghost()
            self._add_controls(seed)
            self.start(seed)
        except BaseException:
            self.close()
            raise

    def _add_ghost(self) -> RobotNodes | None:
        """With the simplified meshes: the full ones of a robot are several MB to send."""
        if self._experiment.reference.motion is None:
            return None
        model = self._experiment.scene.model
        return RobotNodes(self._server, model, "/world/reference", GHOST_COLOR, GHOST_OPACITY, visible=False)

    def _add_controls(self, seed: int) -> None:
        gui, reference = self._server.gui, self._experiment.reference
        gui.configure_theme(show_logo=False, show_share_button=False)  # its share button sends the page elsewhere
        gui.main_panel.dock_right()
        self._picture = gui.add_image(
            _enlarged(reference.frames[0]), label="Reference video", format="jpeg", jpeg_quality=90
        )
        self._statistics = gui.add_html("")
        self._pause = gui.add_button("Pause")
        restart = gui.add_button("Restart")
        self._speed = gui.add_slider("Speed", min=0.1, max=2.0, step=0.1, initial_value=1.0)
        self._seed = gui.add_number("Seed", initial_value=seed, min=0, step=1)
        self._follow = gui.add_checkbox("Follow", True, hint="The camera moves with the robot.")
        hint = "The motion of the reference, as recovered from its video or known from its generator."
        self._show_ghost = gui.add_checkbox("Ghost", False, disabled=self.ghost is None, hint=hint)
        self._pause.on_click(lambda _: self._toggle_pause())
        restart.on_click(lambda _: self._want(self._episodes.seed))
        self._seed.on_update(lambda event: None if event.client is None else self._want(int(self._seed.value)))
        for control in (self._follow, self._show_ghost):
            control.on_update(lambda _: self._wake.set())
        self._server.on_client_connect(lambda _: self._wake.set())

    def _toggle_pause(self) -> None:
        self._paused = not self._paused
        self._pause.label = "Play" if self._paused else "Pause"
        self._wake.set()

    def _want(self, seed: int) -> None:
        self._wanted_seed = seed
        self._wake.set()

    def run(self) -> None:
        """Simulate and show in real time, until an exception such as KeyboardInterrupt."""
        due = time.monotonic()
        while True:
            waiting = self._paused or not self._server.get_clients()
            if self._wanted_seed is not None:
                seed, self._wanted_seed = self._wanted_seed, None
                self.start(seed)
            elif waiting:
                self.show()
            else:
                due += self.advance() / self._speed.value
            now = time.monotonic()
            due = max(due, now)  # what is late is not made up for
            self._wake.wait(IDLE_SECONDS if waiting else due - now)
            self._wake.clear()

    def start(self, seed: int) -> None:
        """Start the episode of a seed, and show its first pose."""
        self._episodes.start(seed)
        self._seed.value = seed  # type: ignore[misc]  # mypy takes viser's property to be read-only
        self.show()

    def advance(self) -> float:
        """Simulate a control step, or start the next episode.

        Returns:
            seconds of simulated time until the next call.
        """
        if self._episodes.ended:
            self.start(self._episodes.seed + 1)
            return 1 / self._control_hz
        self._episodes.step()
        now = time.monotonic()
        if self._episodes.ended or now - self._sent >= 1 / MOST_FRAMES:
            self._sent = now
            self.show()
        return END_SECONDS if self._episodes.ended else 1 / self._control_hz

    def show(self) -> None:
        """Send the pose now, the frame of the reference at the same time, and the statistics."""
        reference, tick = self._experiment.reference, self._episodes.tick
        with self._server.atomic():
            self.robot.place(self._episodes.qpos)
            if self.ghost is not None and reference.motion is not None:
                self.ghost.visible = self._show_ghost.value
                if self.ghost.visible:
                    self.ghost.place(reference.motion.qpos[tick])
            self._world.position = (*-self._episodes.qpos[:2], 0.0) if self._follow.value else (0.0, 0.0, 0.0)
        self._picture.image = _enlarged(reference.frames[tick])
        self._statistics.content = self._statistics_html()

    def close(self) -> None:
        """Close the page's connections and its port."""
        with redirect_stdout(io.StringIO()):
            self._server.stop()

    def _statistics_html(self) -> str:
        episodes, experiment = self._episodes, self._experiment
        seconds, target = experiment.reference.ticks / experiment.reference.tick_hz, experiment.reference_speed
        rows = {
            "time": f"{episodes.step_count / self._control_hz:.2f} of {seconds:.2f} s",
            "return so far": f"{episodes.reward:.3f}",
            "forward speed": f"{episodes.speed:.2f} m/s",
            "speed of the reference": "unknown" if target is None else f"{target:.2f} m/s",
            "falls": f"{episodes.falls} in {episodes.finished} episodes",
        }
        lines = (f"<tr><td>{name}</td><td align=right>{value}</td></tr>" for name, value in rows.items())
        return f"<table style='width: 100%; padding: 0 8px'>{''.join(lines)}</table>"


class RobotNodes:
    """A robot in the scene: a node for each body, which holds its meshes.

    Args:
        server: of the page.
        model: the robot's.
        name: of the parent of all nodes.
        color, opacity: of everything; None: as in the model.
        visible: at first.

    Attributes:
        bodies: body id to node; poses are those of the simulation, relative to the parent.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        model: mujoco.MjModel,
        name: str,
        color: Color | None = None,
        opacity: float | None = None,
        visible: bool = True,
    ) -> None:
        self._model, self._data = model, mujoco.MjData(model)
        self._parent = server.scene.add_frame(name, show_axes=False, visible=visible)
        self.bodies: dict[int, viser.FrameHandle] = {}
        for number, mesh in enumerate(visual_meshes(model)):
            node = f"{name}/{mesh.body}"
            if mesh.body not in self.bodies:
                self.bodies[mesh.body] = server.scene.add_frame(node, show_axes=False)
            seen_through = mesh.opacity if opacity is None else opacity
            server.scene.add_mesh_simple(
                f"{node}/{number}",
                mesh.vertices,
                mesh.triangles,
                color=color or mesh.color,
                opacity=None if seen_through >= 1 else seen_through,
                side="double",
            )

    @property
    def visible(self) -> bool:
        """Whether it is shown."""
        return bool(self._parent.visible)

    @visible.setter
    def visible(self, value: bool) -> None:
        if value != self._parent.visible:
            self._parent.visible = value

    def place(self, qpos: Doubles) -> None:
        """Send a pose (nq,)."""
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        for body, node in self.bodies.items():
            node.position, node.wxyz = self._data.xpos[body], self._data.xquat[body]


def _enlarged(frame: Frames) -> Frames:
    """A frame (S, S, 3), enlarged by a whole number."""
    factor = -(-PICTURE_SIDE // len(frame))
    return frame.repeat(factor, axis=0).repeat(factor, axis=1)


def _add_world(server: viser.ViserServer, experiment: Experiment) -> viser.FrameHandle:
    """The parent of everything in the scene, with the floor, seen as the run's camera does at first."""
    scene, camera = server.scene, experiment.scene.spec.camera
    world = scene.add_frame("/world", show_axes=False)
    scene.add_grid("/world/floor", infinite_grid=True, cell_size=0.25, section_size=1.0, plane_color=FLOOR_COLOR)
    azimuth, elevation = np.radians(camera.azimuth), np.radians(camera.elevation)
    forward = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    look_at = np.array([0.0, 0.0, camera.height])
    server.initial_camera.look_at = look_at
    server.initial_camera.position = look_at - camera.distance * forward
    return world
