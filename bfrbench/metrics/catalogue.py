"""Every kind of metric that comes with bfrbench, as data; plugins add theirs through `bfrbench_metrics`."""

from __future__ import annotations

from bfrbench.specs import MetricSpec

_HERE = "bfrbench.metrics"

KINDS = (
    MetricSpec(
        id="psnr",
        target=f"{_HERE}.psnr:Psnr",
        summary="Peak signal-to-noise ratio against the ground truth.",
        higher_is_better=True,
        needs=("gt",),
        unit="dB",
    ),
    MetricSpec(
        id="ssim",
        target=f"{_HERE}.ssim:Ssim",
        summary="Structural similarity to the ground truth, 11×11 Gaussian window of 1.5.",
        higher_is_better=True,
        needs=("gt",),
    ),
    MetricSpec(
        id="ms-ssim",
        target=f"{_HERE}.ms_ssim:MsSsim",
        summary="Multi-scale structural similarity to the ground truth, five scales.",
        higher_is_better=True,
        needs=("gt",),
    ),
    MetricSpec(
        id="probe-colour",
        target=f"{_HERE}.probe_colour:ProbeColour",
        summary="Difference in mean colour: catches swapped channels and wrong gammas.",
        higher_is_better=False,
        needs=("gt",),
        unit="levels",
    ),
    MetricSpec(
        id="probe-level",
        target=f"{_HERE}.probe_level:ProbeLevel",
        summary="Signed difference in mean level: catches truncation and wrong ranges.",
        higher_is_better=False,
        needs=("gt",),
        unit="levels",
        ideal=0.0,
    ),
    MetricSpec(
        id="probe-shift",
        target=f"{_HERE}.probe_shift:ProbeShift",
        summary="How many pixels the image has moved: catches half-pixel shifts.",
        higher_is_better=False,
        needs=("gt",),
        unit="px",
        ideal=0.0,
    ),
    MetricSpec(
        id="probe-sharpness",
        target=f"{_HERE}.probe_sharpness:ProbeSharpness",
        summary="Energy of fine detail against the ground truth's: catches sharpening and smoothing.",
        higher_is_better=False,
        needs=("gt",),
        unit="octaves",
        ideal=0.0,
    ),
)
