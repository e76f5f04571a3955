"""On meshes: power spectra, bispectra, velocities, and a survey's power with its window."""

from galgen.statistics.fourier.bispectrum import Bispectrum, bispectrum, field_bispectrum
from galgen.statistics.fourier.cross_coefficient import (
    CrossCoefficient,
    cross_coefficient,
    field_cross_coefficient,
)
from galgen.statistics.fourier.cross_power_spectrum import cross_power_spectrum
from galgen.statistics.fourier.field_power_spectrum import field_power_spectrum
from galgen.statistics.fourier.mesh import (
    CLOUD_IN_CELL,
    NEAREST_GRID_POINT,
    PIECEWISE_CUBIC_SPLINE,
    TRIANGULAR_SHAPED_CLOUD,
    Resampler,
    paint,
)
from galgen.statistics.fourier.modes import FourierModes, fourier_modes
from galgen.statistics.fourier.power_spectrum import PowerSpectrum, power_spectrum
from galgen.statistics.fourier.survey_field import SurveyBox
from galgen.statistics.fourier.survey_power_spectrum import (
    SurveyPowerSpectrum,
    fkp_weights,
    survey_power_spectrum,
)
from galgen.statistics.fourier.survey_window import SurveyWindow, survey_window
from galgen.statistics.fourier.triangles import Triangles, equilateral, squeezed
from galgen.statistics.fourier.velocity_power import VelocityPowerSpectrum, velocity_power_spectrum

__all__ = [
    "CLOUD_IN_CELL",
    "NEAREST_GRID_POINT",
    "PIECEWISE_CUBIC_SPLINE",
    "TRIANGULAR_SHAPED_CLOUD",
    "Bispectrum",
    "CrossCoefficient",
    "FourierModes",
    "PowerSpectrum",
    "Resampler",
    "SurveyBox",
    "SurveyPowerSpectrum",
    "SurveyWindow",
    "Triangles",
    "VelocityPowerSpectrum",
    "bispectrum",
    "cross_coefficient",
    "cross_power_spectrum",
    "equilateral",
    "field_bispectrum",
    "field_cross_coefficient",
    "field_power_spectrum",
    "fkp_weights",
    "fourier_modes",
    "paint",
    "power_spectrum",
    "squeezed",
    "survey_power_spectrum",
    "survey_window",
    "velocity_power_spectrum",
]
