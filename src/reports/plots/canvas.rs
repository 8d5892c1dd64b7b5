//! Lines, circles and text on an SVG, in pixels of the finished drawing.

use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontFamily, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle,
};

use super::palette::{GRID, INK, MUTED, PAPER};

/// The backend knows whole pixels only; it draws this much larger and the view box shrinks it again.
const OVERSAMPLING: f64 = 8.0;

/// The mean width of a letter of a sans-serif face, in parts of its size; wide faces included.
const LETTER: f64 = 0.58;

/// The size of a title.
const TITLE: f64 = 15.0;
/// The size of all other text.
pub(super) const TEXT: f64 = 12.0;
/// From one line of a title to the next.
const TITLE_LINE: f64 = 19.0;

/// A drawing in the making.
pub(super) struct Canvas<'a> {
    backend: SVGBackend<'a>,
}

/// Where text stands relative to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
    /// In the middle, reading upwards.
    Upwards,
}

/// How tall a title of that text is on a drawing of that width.
pub(super) fn title_height(title: &str, width: f64) -> f64 {
    wrapped(title, width).len() as f64 * TITLE_LINE + 14.0
}

/// How wide a text of ordinary size is, rather too wide than too narrow.
pub(super) fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * TEXT * LETTER
}

/// The text, cut to a width.
pub(super) fn cut(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut kept: String = text.to_owned();
    while kept.pop().is_some() {
        let with_dots = format!("{}…", kept.trim_end());
        if text_width(&with_dots) <= width {
            return with_dots;
        }
    }
    String::new()
}

fn wrapped(text: &str, width: f64) -> Vec<String> {
    let letters = (width - 24.0) / (TITLE * LETTER);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if (line.chars().count() + 1 + word.chars().count()) as f64 <= letters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Draws on white paper below a title; the result is one SVG document.
pub(super) fn draw(title: &str, (width, height): (f64, f64), paint: impl FnOnce(&mut Canvas)) -> String {
    let mut svg = String::new();
    let large = [width, height].map(|pixels| whole(pixels).unsigned_abs());
    let mut canvas = Canvas { backend: SVGBackend::with_string(&mut svg, (large[0], large[1])) };
    canvas.rectangle((0.0, 0.0), (width, height), PAPER, 1.0);
    for (number, line) in wrapped(title, width).iter().enumerate() {
        canvas.styled((12.0, 20.0 + number as f64 * TITLE_LINE), line, (INK, TITLE, true), Anchor::Left);
    }
    paint(&mut canvas);
    // Drawing into a string cannot fail.
    let _ = canvas.backend.present();
    drop(canvas);
    let drawn = format!("<svg width=\"{}\" height=\"{}\"", large[0], large[1]);
    let label = title.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let shown = format!("<svg role=\"img\" aria-label=\"{label}\" width=\"{width}\" height=\"{height}\"");
    svg.replacen(&drawn, &shown, 1)
}

#[expect(clippy::cast_possible_truncation, reason = "drawings are a few thousand pixels wide")]
fn whole(pixels: f64) -> i32 {
    (pixels * OVERSAMPLING).round() as i32
}

fn point((x, y): (f64, f64)) -> (i32, i32) {
    (whole(x), whole(y))
}

fn style(color: RGBColor, opacity: f64, width: f64) -> ShapeStyle {
    ShapeStyle { color: color.mix(opacity), filled: true, stroke_width: whole(width).unsigned_abs() }
}

impl Canvas<'_> {
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), color: RGBColor, width: f64) {
        let _ = self.backend.draw_line(point(from), point(to), &style(color, 1.0, width));
    }

    pub(super) fn dashed(&mut self, from: (f64, f64), to: (f64, f64), color: RGBColor) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let steps = (dx.hypot(dy) / 7.0).ceil().max(1.0);
        let at = |step: f64| (from.0 + dx * step / steps, from.1 + dy * step / steps);
        let mut step = 0.0;
        while step < steps {
            self.line(at(step), at((step + 0.55).min(steps)), color, 1.2);
            step += 1.0;
        }
    }

    pub(super) fn polygon(&mut self, points: &[(f64, f64)], color: RGBColor, opacity: f64) {
        let _ = self.backend.fill_polygon(points.iter().copied().map(point), &style(color, opacity, 0.0));
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], color: RGBColor, width: f64) {
        let _ = self.backend.draw_path(points.iter().copied().map(point), &style(color, 1.0, width));
    }

    pub(super) fn rectangle(&mut self, from: (f64, f64), to: (f64, f64), color: RGBColor, opacity: f64) {
        let _ = self.backend.draw_rect(point(from), point(to), &style(color, opacity, 0.0), true);
    }

    /// A filled disc.
    pub(super) fn disc(&mut self, center: (f64, f64), radius: f64, color: RGBColor) {
        let _ = self.backend.draw_circle(
            point(center),
            whole(radius).unsigned_abs(),
            &style(color, 1.0, 0.0),
            true,
        );
    }

    /// A ring on paper.
    pub(super) fn ring(&mut self, center: (f64, f64), radius: f64, color: RGBColor) {
        self.disc(center, radius, PAPER);
        let _ = self.backend.draw_circle(
            point(center),
            whole(radius).unsigned_abs(),
            &style(color, 1.0, 1.8),
            false,
        );
    }

    /// A diamond, filled.
    pub(super) fn diamond(&mut self, (x, y): (f64, f64), radius: f64, color: RGBColor) {
        self.polygon(&[(x - radius, y), (x, y - radius), (x + radius, y), (x, y + radius)], color, 1.0);
    }

    pub(super) fn text(&mut self, at: (f64, f64), text: &str, color: RGBColor, anchor: Anchor) {
        self.styled(at, text, (color, TEXT, false), anchor);
    }

    fn styled(
        &mut self,
        at: (f64, f64),
        text: &str,
        (color, size, bold): (RGBColor, f64, bool),
        anchor: Anchor,
    ) {
        let weight = if bold { FontStyle::Bold } else { FontStyle::Normal };
        // The backend divides the size by 1.24.
        let font = (FontFamily::SansSerif, size * OVERSAMPLING * 1.24, weight).into_font();
        let font =
            if matches!(anchor, Anchor::Upwards) { font.transform(FontTransform::Rotate270) } else { font };
        let horizontal = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle | Anchor::Upwards => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let style = TextStyle::from(font).color(&color).pos(Pos::new(horizontal, VPos::Center));
        let _ = self.backend.draw_text(text, &style, point(at));
    }

    /// A horizontal axis with grid lines up to `top`.
    pub(super) fn x_axis(&mut self, axis: &Axis, (top, bottom): (f64, f64), label: &str) {
        for (value, text) in axis.ticks() {
            self.line((axis.at(value), top), (axis.at(value), bottom), GRID, 1.0);
            self.text((axis.at(value), bottom + 12.0), &text, MUTED, Anchor::Middle);
        }
        self.line((axis.from, bottom), (axis.to, bottom), MUTED, 1.0);
        self.text((f64::midpoint(axis.from, axis.to), bottom + 30.0), label, INK, Anchor::Middle);
    }

    /// A vertical axis with grid lines to `right`.
    pub(super) fn y_axis(&mut self, axis: &Axis, (left, right): (f64, f64), label: &str) {
        for (value, text) in axis.ticks() {
            self.line((left, axis.at(value)), (right, axis.at(value)), GRID, 1.0);
            self.text((left - 6.0, axis.at(value)), &text, MUTED, Anchor::Right);
        }
        self.line((left, axis.from), (left, axis.to), MUTED, 1.0);
        self.text((14.0, f64::midpoint(axis.from, axis.to)), label, INK, Anchor::Upwards);
    }
}

/// From values to pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// The value at `from`.
    pub(super) low: f64,
    /// The value at `to`.
    pub(super) high: f64,
    /// The pixel of `low`.
    pub(super) from: f64,
    /// The pixel of `high`.
    pub(super) to: f64,
}

impl Axis {
    /// An axis that shows all finite values with a little room at both ends.
    pub(super) fn around(values: impl Iterator<Item = f64>, least: f64, (from, to): (f64, f64)) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let room = ((high - low) * 0.06).max((least - (high - low)) / 2.0);
        Self { low: low - room, high: high + room, from, to }
    }

    /// The pixel of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round values on the axis with their text, as many as have room.
    fn ticks(&self) -> Vec<(f64, String)> {
        let room = ((self.to - self.from).abs() / 48.0).max(2.0);
        let raw = (self.high - self.low) / room;
        let power = 10.0_f64.powf(raw.log10().floor());
        let step =
            [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= raw).unwrap_or(raw);
        let decimals = (0..6_usize)
            .find(|d| is_round(step * 10.0_f64.powi(i32::try_from(*d).unwrap_or(0))))
            .unwrap_or(6);
        let mut ticks = Vec::new();
        let mut number = (self.low / step).ceil();
        while number * step <= self.high + step * 1e-9 {
            // Adding 0 turns a negative zero into zero.
            let value = number * step + 0.0;
            ticks.push((value, grouped(&format!("{value:.decimals$}"))));
            number += 1.0;
        }
        ticks
    }
}

fn is_round(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6
}

/// A number with a comma between thousands.
pub(super) fn grouped(number: &str) -> String {
    crate::reports::format::grouped(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis { low: 0.83, high: 1.12, from: 0.0, to: 300.0 };
        let texts: Vec<String> = axis.ticks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["0.85", "0.90", "0.95", "1.00", "1.05", "1.10"]);
        let axis = Axis { low: 0.0, high: 4200.0, from: 0.0, to: 300.0 };
        assert_eq!(axis.ticks().last().unwrap().1, "4,000");
    }

    #[test]
    fn an_axis_of_one_value_or_none_has_room() {
        let one = Axis::around([0.5].into_iter(), 0.1, (0.0, 100.0));
        assert!((one.at(0.5) - 50.0).abs() < 1e-9);
        let none = Axis::around([f64::NAN].into_iter(), 0.1, (0.0, 100.0));
        assert!(none.at(0.5).is_finite());
    }

    #[test]
    fn long_text_is_cut_and_titles_are_wrapped() {
        assert_eq!(cut("short", 200.0), "short");
        assert!(cut("a very long name of a slice indeed", 100.0).ends_with('…'));
        assert_eq!(wrapped("one two three", 24.0 + 15.0 * 0.58 * 7.5), ["one two", "three"]);
    }

    #[test]
    fn markup_in_a_title_is_escaped() {
        let svg = draw("a < b & \"c\"", (200.0, 100.0), |_| {});
        assert!(
            svg.contains("aria-label=\"a &lt; b &amp; &quot;c&quot;\"") && svg.contains("a &lt; b"),
            "{svg}"
        );
    }
}
