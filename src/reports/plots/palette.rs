//! The colours: those of Okabe and Ito, which people with any kind of colour vision tell apart.

use plotters::style::RGBColor;

/// Text and axes.
pub(super) const INK: RGBColor = RGBColor(0x1b, 0x1b, 0x1f);
/// Ticks and remarks.
pub(super) const MUTED: RGBColor = RGBColor(0x5f, 0x5f, 0x6b);
/// Grid lines.
pub(super) const GRID: RGBColor = RGBColor(0xdc, 0xdc, 0xe2);
/// The background.
pub(super) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
/// The model that is reported.
pub(super) const MODEL: RGBColor = RGBColor(0x00, 0x72, 0xb2);
/// What it is compared with: the prior, the time before post-processing.
pub(super) const OTHER: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
/// The best that can be reached.
pub(super) const FLOOR: RGBColor = RGBColor(0x00, 0x9e, 0x73);

/// The style sheet's names of the colours.
const NAMES: [(RGBColor, &str); 7] = [
    (INK, "ink"),
    (MUTED, "muted"),
    (GRID, "grid"),
    (PAPER, "paper"),
    (MODEL, "model"),
    (OTHER, "other"),
    (FLOOR, "floor"),
];

/// The drawing with its colours taken from the page, so that it follows a dark theme.
pub(in crate::reports) fn themed(svg: &str) -> String {
    NAMES.iter().fold(svg.to_owned(), |svg, (RGBColor(red, green, blue), name)| {
        svg.replace(&format!("\"#{red:02X}{green:02X}{blue:02X}\""), &format!("\"var(--{name})\""))
    })
}
