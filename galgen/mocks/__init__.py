"""Survey mocks: from a box of haloes or galaxies to what a survey would publish.

:func:`populate` puts galaxies in haloes, :class:`Survey` observes them, and
:func:`write_sky_catalogue` writes what it saw.
"""

from galgen.mocks.fibre_collisions import FibreCollisions
from galgen.mocks.occupation import HaloOccupation
from galgen.mocks.populating import populate
from galgen.mocks.radial_selection import RadialSelection, read_radial_selection
from galgen.mocks.randoms import RandomRecipe
from galgen.mocks.remapping import Remapping
from galgen.mocks.sky_catalogue import SkyCatalogue
from galgen.mocks.sky_catalogue_files import read_sky_catalogue, write_sky_catalogue
from galgen.mocks.sky_mask import SkyMask, read_mask
from galgen.mocks.sky_picture import draw_survey, write_picture
from galgen.mocks.survey import MockSurvey, Survey
from galgen.mocks.viewpoint import Viewpoint

__all__ = [
    "FibreCollisions",
    "HaloOccupation",
    "MockSurvey",
    "RadialSelection",
    "RandomRecipe",
    "Remapping",
    "SkyCatalogue",
    "SkyMask",
    "Survey",
    "Viewpoint",
    "draw_survey",
    "populate",
    "read_mask",
    "read_radial_selection",
    "read_sky_catalogue",
    "write_picture",
    "write_sky_catalogue",
]
