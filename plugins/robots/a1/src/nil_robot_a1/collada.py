"""Collada meshes (.dae), which MuJoCo cannot read, as OBJ files in memory."""

from __future__ import annotations

from pathlib import Path

import trimesh


def read_mesh(path: Path) -> bytes:
    """Geometry of a Collada file in metres, its node transforms applied, as the bytes of an OBJ file."""
    mesh = trimesh.load_mesh(path)
    # Without the texture coordinates, which split vertices.
    bare = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    bare.merge_vertices()
    return str(bare.export(file_type="obj", include_normals=False, include_color=False, include_texture=False)).encode()
