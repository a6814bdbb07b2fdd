//! Line charts over the seconds of a run, as SVG: phases as bands, one or two lines, four marks on each axis.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 24.0;

/// What is drawn.
pub(super) struct Chart<'a> {
    /// For those who do not see it; escaped.
    pub(super) title: String,
    /// Of the values.
    pub(super) unit: &'a str,
    /// The upper end, if it is fixed.
    pub(super) most: Option<f64>,
    /// Length of the run.
    pub(super) seconds: f64,
    /// Names (escaped) and spans.
    pub(super) phases: &'a [(String, f64, f64)],
    /// Lines.
    pub(super) lines: Vec<Line>,
}

/// A line of a chart.
pub(super) struct Line {
    name: String,
    colour: &'static str,
    points: Vec<(f64, f64)>,
}

impl Line {
    /// `name` is escaped.
    pub(super) const fn new(name: String, colour: &'static str, points: Vec<(f64, f64)>) -> Self {
        Self { name, colour, points }
    }

    /// Nothing but nought.
    pub(super) fn is_flat_nought(&self) -> bool {
        self.points.iter().all(|(_, value)| *value <= 0.0)
    }
}

/// Draws it.
pub(super) fn draw(chart: &Chart<'_>) -> String {
    let seen = chart.lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value).fold(1.0, f64::max);
    let most = chart.most.unwrap_or_else(|| rounded_up(seen));
    let x = |at: f64| LEFT + (WIDTH - LEFT) * (at / chart.seconds.max(1.0)).clamp(0.0, 1.0);
    let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (value / most).clamp(0.0, 1.0));
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", chart.title);
    for (number, (name, from, to)) in chart.phases.iter().enumerate() {
        let fill = if number % 2 == 0 { "#f1ece0" } else { "#e6dfcf" };
        let (from, width) = (x(*from), x(*to) - x(*from));
        let _ok = write!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{fill}\"/>",
            HEIGHT - TOP - BOTTOM
        );
        // A name that does not fit its band is left to the table. What is no ASCII counts as Han: as wide as the type is high.
        let name_width: f64 = name.chars().map(|character| if character.is_ascii() { 6.5 } else { 11.0 }).sum();
        if name_width + 8.0 < width {
            let _ok = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\" fill=\"#6b655c\">{name}</text>",
                from + 4.0,
                HEIGHT - BOTTOM - 5.0
            );
        }
    }
    for mark in 0..=4 {
        let value = most * f64::from(mark) / 4.0;
        let at = y(value);
        let _ok = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#d9d3c7\" stroke-width=\"1\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"12\" text-anchor=\"end\" fill=\"#6b655c\">{} {}</text>",
            LEFT - 6.0,
            at + 4.0,
            short(value),
            chart.unit
        );
        let second = chart.seconds * f64::from(mark) / 4.0;
        let anchor = if mark == 4 { "end" } else { "start" };
        let _ok = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"12\" text-anchor=\"{anchor}\" fill=\"#6b655c\">{second:.0} s</text>",
            x(second),
            HEIGHT - 6.0
        );
    }
    for (number, line) in chart.lines.iter().enumerate() {
        let points: Vec<String> =
            line.points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at + 0.5), y(*value))).collect();
        let legend = LEFT + 210.0 * f64::from(u32::try_from(number).unwrap_or(0));
        let _ok = write!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>\
             <rect x=\"{legend:.1}\" y=\"6\" width=\"14\" height=\"3\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"13\" font-size=\"12\" fill=\"#1d1b18\">{}</text>",
            points.join(" "),
            legend + 20.0,
            line.name,
            colour = line.colour
        );
    }
    svg.push_str("</svg>");
    svg
}

/// The next of 1, 2, 5 times a power of ten.
fn rounded_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(value)
}

fn short(value: f64) -> String {
    if value >= 10_000.0 { format!("{:.0}k", value / 1_000.0) } else { format!("{value:.0}") }
}
