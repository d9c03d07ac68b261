# SPDX-License-Identifier: Apache-2.0
"""Meshes of all formats: what is read, and what is refused by which words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from mesh_files import (
    BLUE,
    CORNERS,
    GREEN,
    HALF,
    QUADS,
    RED,
    box,
    obj_text,
    write_obj,
    write_picture,
)
from PIL import Image

from perception_kit.datasets.mesh import MeshError, TexturedMesh
from perception_kit.datasets.mesh_colors import colors_of
from perception_kit.datasets.mesh_file import read_mesh
from perception_kit.geometry import look_at
from perception_kit.synth.render import Item, render
from perception_kit.synth.surface import Surface
from perception_kit.types import Intrinsics

SQUARE = "mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
# Outward directions of the box's sides, in the order of QUADS.
SIDES = np.array([[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]], float)


def write_square(folder: Path, text: str) -> Path:
    (folder / "m.mtl").write_text("newmtl a\nmap_Kd t.png\n")
    cv2.imwrite(str(folder / "t.png"), np.full((4, 6, 3), (10, 20, 30), np.uint8))
    path = folder / "o.obj"
    path.write_text(text)
    return path


def side_colors(mesh: TexturedMesh) -> np.ndarray:
    """(6, 3) colors of the middles of the box's sides, as training renders show them."""
    camera = Intrinsics(400.0, 400.0, 15.5, 15.5, 32, 32)
    surface = Surface([mesh])
    seen = []
    for side in SIDES:
        eye = 0.4 * side + np.array([1e-3, 1e-3, 1e-3])
        picture = render([Item(surface, np.eye(4), 1)], look_at(eye, np.zeros(3)), camera)
        seen.append(picture.albedo[12:20, 12:20].reshape(-1, 3).mean(axis=0))
    return np.array(seen)


def sampled_colors(mesh: TexturedMesh) -> np.ndarray:
    """(6, 3) mean colors of the box's sides, as the table of a pose model has them."""
    colors = colors_of(mesh)
    assert colors is not None
    shown = colors.at(np.arange(len(mesh.faces)), np.full((len(mesh.faces), 3), 1 / 3)) * 255
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    side = (normals @ SIDES.T).argmax(axis=1)
    return np.array([shown[side == number].mean(axis=0) for number in range(6)])


def check_sides(mesh: TexturedMesh, expected: object, tolerance: float = 2.0) -> None:
    """The sides have these colors in renders and in samples alike."""
    colors = np.broadcast_to(np.array(expected, float), (6, 3))
    np.testing.assert_allclose(side_colors(mesh), colors, atol=tolerance)
    np.testing.assert_allclose(sampled_colors(mesh), colors, atol=tolerance)


def test_reads_polygons_as_triangle_fans(tmp_path: Path) -> None:
    mesh = read_mesh(write_square(tmp_path, SQUARE + "usemtl a\nf 1/1 2/2 3/3 4/4\n")).mesh
    corners = mesh.vertices[mesh.faces][..., :2].tolist()
    assert corners == [[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]]
    assert mesh.uv[1].tolist() == [[0, 0], [1, 1], [0, 1]]
    assert mesh.texture.shape == (4, 6, 3)
    assert mesh.texture[0, 0].tolist() == [30, 20, 10], "sRGB order, not OpenCV's"


@given(st.integers(3, 9), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_negative_indices_count_from_their_line(corners: int, later: bool, end: str) -> None:
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    lines = [f"v\t{np.cos(a):.4f} {np.sin(a):.4f}   0 # rim" for a in angle]
    lines.append("f " + " ".join(str(k - corners) for k in range(corners)))
    lines += ["v 5 5 5"] * later
    with TemporaryDirectory() as folder:
        path = Path(folder) / "o.obj"
        path.write_bytes(end.join(lines).encode())
        mesh = read_mesh(path).mesh
    assert len(mesh.faces) == corners - 2
    assert len(mesh.vertices) == corners, "a vertex of no face does not count"


@pytest.mark.parametrize("suffix", [".ply", ".stl", ".glb", ".obj"])
def test_every_format_has_the_same_shape(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"box{suffix}"
    box().export(path)
    file = read_mesh(path)
    np.testing.assert_allclose(file.mesh.size, 2 * HALF, rtol=1e-6)
    assert len(file.mesh.faces) == 12
    assert not file.mesh.painted
    assert "neither a texture nor colors" in file.notes[0]
    assert file.unit == ("m" if suffix == ".glb" else None)
    np.testing.assert_allclose(side_colors(file.mesh), 128)
    assert colors_of(file.mesh) is None


@pytest.mark.parametrize("suffix", [".ply", ".stl"])
def test_text_is_the_same_as_binary(suffix: str, tmp_path: Path) -> None:
    meshes = []
    for name, options in {
        "b": {"ply": {}, "stl": {}},
        "t": {"ply": {"encoding": "ascii"}, "stl": {"file_type": "stl_ascii"}},
    }.items():
        path = tmp_path / f"{name}{suffix}"
        content = box().export(**{"file_type": suffix[1:], **options[suffix[1:]]})
        content = content.encode() if isinstance(content, str) else content
        # Comments in Latin-1 are no reason to refuse a text.
        if name == "t" and suffix == ".ply":
            content = content.replace(b"comment ", "comment Müller ".encode("latin-1"), 1)
        if name == "t" and suffix == ".stl":
            content = content.replace(b"solid", "solid Müller".encode("latin-1"), 1)
        path.write_bytes(content)
        meshes.append(read_mesh(path).mesh)
    binary, text = meshes
    np.testing.assert_allclose(text.vertices[text.faces], binary.vertices[binary.faces], atol=1e-6)


@pytest.mark.parametrize(
    ("materials", "colors"),
    [
        ("newmtl a\nKd 0.8 0.1 0.2\n", [(204, 26, 51)]),
        ("newmtl a\nKd 1 0 0\nnewmtl b\nKd 0 0 1\n", [(255, 0, 0)] * 3 + [(0, 0, 255)] * 3),
        ("newmtl a\nmap_Kd r.png\nnewmtl b\nmap_Kd g.png\n", [RED] * 3 + [GREEN] * 3),
        ("newmtl a\nKd 0 0 1\nnewmtl b\nmap_Kd g.png\n", [(0, 0, 255)] * 3 + [GREEN] * 3),
        (
            "newmtl a\nmap_Kd r.png\nnewmtl b\nmap_Kd g.png\nnewmtl c\nmap_Kd b.jpg\n",
            [RED] * 2 + [GREEN] * 2 + [BLUE] * 2,
        ),
    ],
    ids=["one_color", "two_colors", "two_textures", "color_and_texture", "three_textures"],
)
def test_materials_keep_their_looks(materials: str, colors: list, tmp_path: Path) -> None:
    for name, color in (("r.png", RED), ("g.png", GREEN), ("b.jpg", BLUE)):
        write_picture(tmp_path / name, color, size=64)
    file = read_mesh(write_obj(tmp_path / "b.obj", materials))
    assert file.notes == []
    check_sides(file.mesh, colors if len(colors) == 6 else colors * 6)


def test_the_only_material_needs_no_usemtl(tmp_path: Path) -> None:
    write_picture(tmp_path / "t.png", GREEN)
    path = write_obj(tmp_path / "b.obj")
    path.write_text("".join(line for line in path.open() if not line.startswith("usemtl")))
    check_sides(read_mesh(path).mesh, GREEN)


def test_a_part_without_a_material_is_gray_and_said(tmp_path: Path) -> None:
    path = write_obj(tmp_path / "b.obj", "newmtl a\nKd 1 0 0\nnewmtl b\nKd 0 0 1\n")
    (tmp_path / "b.mtl").write_text("newmtl a\nKd 1 0 0\n")
    file = read_mesh(path)
    assert "a part of it has neither a texture nor colors" in file.notes[0]
    check_sides(file.mesh, [(255, 0, 0)] * 3 + [(128, 128, 128)] * 3)


@pytest.mark.parametrize(
    ("written", "on_disk"),
    [
        ("my texture.png", "my texture.png"),
        ("tex\\my t.png", "tex/my t.png"),
        (".\\t.png", "t.png"),
        ("C:\\Users\\me\\T.PNG", "t.png"),
        ("/home/me/t.png", "t.png"),
        ("-s 1 1 1 -clamp on t 1.png", "t 1.png"),
        ('"t.png"', "t.png"),
        ("../shared/t.png", "../shared/t.png"),
        ("Müller.png", "Müller.png"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_textures_are_found_as_tools_name_them(
    written: str, on_disk: str, encoding: str, tmp_path: Path
) -> None:
    folder = tmp_path / "part"
    path = write_obj(folder / "b.obj")
    (folder / "b.mtl").write_bytes(f"newmtl a\n\tmap_Kd {written}\r\n".encode(encoding))
    path.write_bytes("# exporté par Müller\n".encode(encoding) + path.read_bytes())
    write_picture(folder / on_disk, GREEN)
    check_sides(read_mesh(path).mesh, GREEN)


def test_a_name_in_latin_1_on_the_disk_is_found(tmp_path: Path) -> None:
    path = write_obj(tmp_path / "b.obj", "newmtl a\nmap_Kd grün.png\n")
    picture = write_picture(tmp_path / "t.png", GREEN)
    try:
        os.rename(picture, os.fsencode(tmp_path) + "/grün.png".encode("latin-1"))
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    check_sides(read_mesh(path).mesh, GREEN)


def test_textures_repeat_across_a_face(tmp_path: Path) -> None:
    path = write_obj(tmp_path / "b.obj")
    text = path.read_text().replace("vt 1 0", "vt 3 -1").replace("vt 1 1", "vt 3 1")
    path.write_text(text.replace("vt 0 0", "vt 0 -1"))
    left_red = np.full((8, 8, 3), GREEN, np.uint8)
    left_red[:, :4] = RED
    cv2.imwrite(str(tmp_path / "t.png"), left_red[..., ::-1])
    mesh = read_mesh(path).mesh
    assert mesh.uv.min() >= 0
    assert mesh.uv.max() <= 1
    assert mesh.texture.shape == (16, 24, 3), "2 x 3 copies"
    assert (mesh.texture[:, ::8] == RED).all()
    mean = (np.array(RED) + GREEN) / 2
    np.testing.assert_allclose(mesh.texture.mean(axis=(0, 1)), mean)


def vertex_colors() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (8, 3)).astype(np.uint8)


def expected_sides() -> np.ndarray:
    """Means of the two triangles' means, for the box of ``vertex_colors``."""
    colors = vertex_colors().astype(float)
    fans = [[[q[0], q[k], q[k + 1]] for k in (1, 2)] for q in QUADS]
    return np.array([[colors[fan].mean(axis=0) for fan in pair] for pair in fans]).mean(axis=1)


FORMS = ("ply", "ascii ply", "ascii ply by MeshLab", "obj", "obj with plain material")


@pytest.mark.parametrize("form", FORMS)
def test_vertex_colors(form: str, tmp_path: Path) -> None:
    mesh = box()
    mesh.visual.vertex_colors = vertex_colors()
    path = tmp_path / f"box.{form[:3] if form[:3] == 'obj' else 'ply'}"
    if path.suffix == ".ply":
        encoding = "ascii" if form.startswith("ascii") else "binary"
        content = mesh.export(file_type="ply", encoding=encoding)
        for name in (b"red", b"green", b"blue"):
            if "MeshLab" in form:
                content = content.replace(b"uchar " + name, b"uchar diffuse_" + name)
        path.write_bytes(content)
    else:
        lines = obj_text(materials=("a",) * ("material" in form), textured=False).splitlines()
        colored = iter(vertex_colors() / 255)
        lines = [
            " ".join([line, *map(str, next(colored))]) if line.startswith("v ") else line
            for line in lines
        ]
        path.write_text("\n".join(lines))
        (tmp_path / "b.mtl").write_text("newmtl a\nKd 1 1 1\n")
    read = read_mesh(path).mesh
    assert read.painted
    np.testing.assert_allclose(sampled_colors(read), expected_sides(), atol=1)


def test_a_texture_that_cannot_be_laid_on_all_faces_is_said(tmp_path: Path) -> None:
    write_picture(tmp_path / "t.png", GREEN)
    path = write_obj(tmp_path / "b.obj", "newmtl a\nKd 1 0 0\nmap_Kd t.png\n")
    path.write_text(path.read_text() + "f 1 2 3\n")
    file = read_mesh(path)
    assert "a texture is not used" in file.notes[0]
    check_sides(file.mesh, (255, 0, 0))


def test_face_colors(tmp_path: Path) -> None:
    mesh = box()
    colors = np.repeat(vertex_colors()[:6], 2, axis=0)
    mesh.visual.face_colors = np.column_stack([colors, np.full(12, 255)]).astype(np.uint8)
    mesh.export(tmp_path / "box.ply")
    check_sides(read_mesh(tmp_path / "box.ply").mesh, vertex_colors()[:6])


def glb(tmp_path: Path) -> Path:
    """A scene of a red box and, 0.3 m beside it, a turned textured one of half the size."""
    red, printed = box(), box()
    material = trimesh.visual.material.PBRMaterial(baseColorFactor=[255, 0, 0, 255])
    red.visual = trimesh.visual.TextureVisuals(material=material)
    image = Image.fromarray(np.full((32, 32, 3), GREEN, np.uint8))
    printed.visual = trimesh.visual.TextureVisuals(uv=np.full((8, 2), 0.5), image=image)
    scene = trimesh.Scene()
    scene.add_geometry(red)
    place = np.diag([0.5, 0.5, 0.5, 1.0]) @ trimesh.transformations.rotation_matrix(
        np.pi / 2, [0, 0, 1]
    )
    place[:3, 3] = [0.3, 0, 0]
    scene.add_geometry(printed, transform=place)
    path = tmp_path / "scene.glb"
    scene.export(path)
    return path


def test_parts_of_a_scene_are_at_their_places(tmp_path: Path) -> None:
    mesh = read_mesh(glb(tmp_path)).mesh
    np.testing.assert_allclose(mesh.vertices.min(axis=0), [-0.06, -0.04, -0.03], atol=1e-6)
    np.testing.assert_allclose(mesh.vertices.max(axis=0), [0.32, 0.04, 0.03], atol=1e-6)
    colors = colors_of(mesh)
    assert colors is not None
    shown = colors.at(np.arange(24), np.full((24, 3), 1 / 3)) * 255
    beside = mesh.vertices[mesh.faces].mean(axis=1)[:, 0] > 0.2
    np.testing.assert_allclose(shown[beside], np.broadcast_to(GREEN, (12, 3)), atol=1)
    np.testing.assert_allclose(shown[~beside], np.broadcast_to((255, 0, 0), (12, 3)), atol=1)


def test_a_mirrored_part_keeps_its_outside(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    scene.add_geometry(box(), transform=np.diag([-1.0, 1, 1, 1]))
    scene.export(tmp_path / "scene.glb")
    mesh = read_mesh(tmp_path / "scene.glb").mesh
    assert trimesh.Trimesh(mesh.vertices, mesh.faces).volume == pytest.approx(8 * np.prod(HALF))


def test_colors_of_glb_are_linear(tmp_path: Path) -> None:
    mesh = box()
    mesh.visual.vertex_colors = np.full((8, 3), 55, np.uint8)
    mesh.export(tmp_path / "box.glb")
    check_sides(read_mesh(tmp_path / "box.glb").mesh, (128, 128, 128))


@pytest.mark.parametrize("order", ["<", ">"])
def test_binary_ply_of_unequal_polygons(order: str, tmp_path: Path) -> None:
    """A prism of five sides, as modelling tools store it: two pentagons and five quads."""
    angle = 2 * np.pi * np.arange(5) / 5
    rim = np.column_stack([np.cos(angle), np.sin(angle)]) * 0.05
    points = np.concatenate([np.column_stack([rim, np.full(5, z)]) for z in (0.0, 0.1)])
    polygons = [[4, 3, 2, 1, 0], [5, 6, 7, 8, 9]]
    polygons += [[k, (k + 1) % 5, (k + 1) % 5 + 5, k + 5] for k in range(5)]
    endian = "little" if order == "<" else "big"
    header = (
        f"ply\nformat binary_{endian}_endian 1.0\nelement vertex 10\nproperty float x\n"
        "property float y\nproperty float z\nproperty float s\nproperty float t\n"
        "element face 7\nproperty list uchar uint vertex_indices\n"
        "property uchar flags\nend_header\n"
    )
    vertices = np.column_stack([points, np.zeros((10, 2))]).astype(order + "f4").tobytes()
    faces = b"".join(
        bytes([len(p)]) + np.array(p, order + "u4").tobytes() + b"\x07" for p in polygons
    )
    path = tmp_path / "prism.ply"
    path.write_bytes(header.encode() + vertices + faces)
    mesh = read_mesh(path).mesh
    assert len(mesh.faces) == 2 * 3 + 5 * 2
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(0.1 * 5 / 2 * 0.05**2 * np.sin(2 * np.pi / 5), rel=1e-5)

    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(MeshError, match=r"prism.ply: declares 7 faces, but ends before"):
        read_mesh(path)


def test_ply_of_several_textures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.ply"
    content = box().export(file_type="ply", encoding="ascii")
    comments = b"comment TextureFile a.png\ncomment TextureFile b.png\nend_header\n"
    path.write_bytes(content.replace(b"end_header\n", comments))
    with pytest.raises(MeshError, match=r"names 2 textures .a\.png, b\.png.*OBJ or GLB"):
        read_mesh(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (SQUARE + "f 1/1 2/2 9/3\n", "not in the file"),
        (SQUARE + "f -9/1 2/2 3/3\n", "line 10: cannot read"),
        (SQUARE + "f 1/1 2/2\n", "face of 2 corners"),
        (SQUARE + "v 1 x 0\n", "line 10: cannot read"),
        (SQUARE, "has no faces"),
        (SQUARE.replace("v 0 0 0", "v nan 0 0") + "f 1/1 2/2 3/3\n", "not finite"),
        (SQUARE.replace("v 0 0 0", "v inf 0 0") + "f 1/1 2/2 3/3\n", "NaN or infinite"),
        (SQUARE.replace("v 0 0 0", "v 1e60 0 0") + "f 1/1 2/2 3/3\n", "NaN or infinite"),
        (SQUARE + "f 1/1 2/2 2/2\n", "all of its triangles are degenerate"),
        (SQUARE.replace("m.mtl", "other.mtl") + "f 1/1 2/2 3/3\n", "'other.mtl' is missing"),
        ("", "is empty"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
    ids=[
        *(
            "truncated",
            "before_the_first",
            "two_corners",
            "garbled_number",
            "no_faces",
            "nan",
            "infinite",
            "of_float64",
        ),
        *("degenerate", "no_library", "empty", "lfs"),
    ],
)
def test_corrupt_mesh_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = write_square(tmp_path, text)
    with pytest.raises(MeshError, match=complaint) as caught:
        read_mesh(path)
    assert str(path) in str(caught.value)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "LFS pointer": lambda content: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "a web page": lambda content: b"<!DOCTYPE html><html><body>404</body></html>\n",
    "cut in half": lambda content: content[: len(content) // 2],
    "cut off": lambda content: content[:-20],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", [".ply", ".stl", ".glb", ".obj"])
def test_a_damaged_file_of_any_format_is_named(suffix: str, damage: str, tmp_path: Path) -> None:
    path = tmp_path / f"box{suffix}"
    box().export(path)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(MeshError, match=re.escape(str(path))):
        read_mesh(path)


@pytest.mark.parametrize("suffix", [".ply", ".stl", ".glb"])
@pytest.mark.parametrize("spoil", ["nan", "degenerate"])
def test_unusable_vertices_are_named(suffix: str, spoil: str, tmp_path: Path) -> None:
    mesh = box()
    vertices = mesh.vertices.copy()
    vertices[3 if spoil == "nan" else slice(None)] = np.nan if spoil == "nan" else vertices[0]
    path = tmp_path / f"box{suffix}"
    trimesh.Trimesh(vertices, mesh.faces, process=False).export(path)
    with pytest.raises(MeshError, match="not finite" if spoil == "nan" else "degenerate"):
        read_mesh(path)


def test_points_are_no_mesh(tmp_path: Path) -> None:
    trimesh.PointCloud(CORNERS).export(tmp_path / "points.ply")
    with pytest.raises(MeshError, match=r"points.ply: has no faces: a surface is needed"):
        read_mesh(tmp_path / "points.ply")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, r"b\.obj: its texture 't.png' is missing"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", r"t\.png.*git lfs pull"),
        (b"", r"t\.png is empty"),
        (b"no image", r"t\.png: the texture of b\.obj is damaged"),
        (Image, r"t\.png: the texture of b\.obj is damaged"),
    ],
    ids=["missing", "lfs", "empty", "no_image", "cut_off"],
)
def test_unusable_texture_is_named(tmp_path: Path, content: object, complaint: str) -> None:
    path = write_obj(tmp_path / "b.obj")
    picture = tmp_path / "t.png"
    if content is Image:
        noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
        cv2.imwrite(str(picture), noise)
        picture.write_bytes(picture.read_bytes()[:900])
    elif isinstance(content, bytes):
        picture.write_bytes(content)
    with pytest.raises(MeshError, match=complaint):
        read_mesh(path)
    assert len(read_mesh(path, appearance=False).mesh.faces) == 12, "its shape is known"


def test_other_formats_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "box.step"
    path.write_text("ISO-10303-21;")
    with pytest.raises(MeshError, match=r"is no .obj, .glb, .ply, .stl file: convert it"):
        read_mesh(path)
