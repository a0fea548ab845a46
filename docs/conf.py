"""Configuration of the documentation's build.

pip install ".[docs]"
sphinx-build -W -b html docs docs/_build/html
sphinx-build -W -b doctest docs docs/_build/doctest
"""

import doctest
import sys
from pathlib import Path

import matplotlib

import vseens_rec

# the order of the gallery is a module, which Sphinx can name in its cache
sys.path.insert(0, str(Path(__file__).parent))
matplotlib.use("Agg")

project = "vseens_rec"
author = "the authors of vseens_rec"
project_copyright = author
version = release = vseens_rec.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/*.py"]
templates_path = ["_templates"]
default_role = "code"

nitpicky = True
# the build needs no network, so names of other packages lead nowhere
nitpick_ignore = [("py:obj", "implicit.bpr.BayesianPersonalizedRanking")]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_validation_checks = {
    "GL01", "GL03", "GL05", "GL06", "GL07", "GL10",
    "SS01", "SS02", "SS03", "SS04", "SS05",
    "PR01", "PR02", "PR03", "PR04", "PR05", "PR06", "PR07", "PR08", "PR09", "PR10",
    "RT01", "RT03", "RT04", "RT05",
    "YD01",
}  # fmt: skip

doctest_global_setup = """
import numpy as np
np.set_printoptions(legacy="1.25")
"""
doctest_default_flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
# those of docstrings are run by pytest
doctest_test_doctest_blocks = ""

plot_formats = [("png", 130)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_rcparams = {"figure.figsize": (7, 4), "savefig.bbox": "tight"}

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["gallery"],
    "within_subsection_order": "gallery_order.Position",
    # PyTorch is not among what the documentation needs
    "filename_pattern": r"/(?!two_tower_pytorch)\w+\.py$",
    "abort_on_example_error": True,
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("vseens_rec",),
    "capture_repr": (),
    "image_srcset": ["2x"],
    # scripts read their arguments, which notebooks do not have
    "notebook_extensions": set(),
    "download_all_examples": False,
    "default_thumb_file": str(Path(__file__).parent / "_static" / "matrix.png"),
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"vseens_rec {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "logo": {"text": "vseens_rec"},
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_end": [],
}
html_sidebars = {"index": [], "whats_new": []}


def without_pictures(app):
    """Leave the examples to the build of the pages: no other one shows what they print."""
    if app.builder.format != "html":
        app.config.plot_gallery = "False"


def setup(app):
    """Register what is not an option."""
    # before sphinx-gallery reads the option, which it does with a priority of 10
    app.connect("builder-inited", without_pictures, priority=5)
