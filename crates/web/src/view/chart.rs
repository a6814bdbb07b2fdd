//! A small chart of use: a bar a day, tokens read below, tokens written above; drawn here, so that it needs no script.
//!
//! What must stay true: the picture says nothing that the table beside it does not; it scales to any width without its words.

use std::fmt::Write as _;

use rempart_domain::Day;

use crate::view::account::UsageRow;

/// Days in the chart.
const DAYS: u16 = 30;
/// Width of a day and height of the chart, in units of its own.
const DAY_WIDTH: u64 = 20;
const HEIGHT: u64 = 120;

/// The last days of use as a picture.
pub(crate) struct UsageChart {
    /// First and last day.
    pub(crate) first: Day,
    pub(crate) last: Day,
    /// The highest line of the scale, in tokens.
    pub(crate) top: u64,
    /// The line in its middle.
    pub(crate) half: u64,
    /// Tokens of all days shown.
    pub(crate) total: u64,
    bars: Vec<(u64, u64)>,
}

impl UsageChart {
    /// Of the days that end with `today`; `None` where there is nothing to draw.
    pub(crate) fn of(usage: &[UsageRow], today: Day) -> Option<Self> {
        let first = Day(today.0.saturating_sub(DAYS - 1));
        let bars: Vec<(u64, u64)> = (first.0..=today.0)
            .map(|day| {
                usage.iter().find(|row| row.day.0 == day).map_or((0, 0), |row| (row.input_tokens, row.output_tokens))
            })
            .collect();
        let sums = || bars.iter().map(|(input, output)| input.saturating_add(*output));
        let highest = sums().max().filter(|highest| *highest > 0)?;
        let total = sums().fold(0_u64, u64::saturating_add);
        let top = round_up(highest);
        Some(Self { first, last: today, top, half: top / 2, total, bars })
    }

    /// Rectangles and lines; the words stand beside it, in HTML.
    pub(crate) fn svg(&self) -> String {
        let width = self.bars.len() as u64 * DAY_WIDTH;
        let mut svg = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {width} {HEIGHT}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
        );
        for line in [0, HEIGHT / 2, HEIGHT] {
            // Writing to a String cannot fail.
            let _ = write!(svg, "<path class=\"grid\" d=\"M0 {line}H{width}\"/>");
        }
        for (index, (input, output)) in (0_u64..).zip(&self.bars) {
            let (low, high) = (self.height(*input), self.height(input.saturating_add(*output)));
            let x = index * DAY_WIDTH + 3;
            let bar = DAY_WIDTH - 6;
            if low > 0 {
                let _ = write!(
                    svg,
                    "<rect class=\"in\" x=\"{x}\" y=\"{}\" width=\"{bar}\" height=\"{low}\"/>",
                    HEIGHT - low
                );
            }
            if high > low {
                let _ = write!(
                    svg,
                    "<rect class=\"out\" x=\"{x}\" y=\"{}\" width=\"{bar}\" height=\"{}\"/>",
                    HEIGHT - high,
                    high - low
                );
            }
        }
        svg.push_str("</svg>");
        svg
    }

    /// What is there is seen, however small.
    fn height(&self, tokens: u64) -> u64 {
        let share = u128::from(tokens) * u128::from(HEIGHT) / u128::from(self.top.max(1));
        let height = u64::try_from(share).unwrap_or(HEIGHT).min(HEIGHT);
        if tokens > 0 { height.max(1) } else { 0 }
    }
}

/// The next of 1, 2, 5, 10, 20, 50 and so on: a scale that can be read.
fn round_up(value: u64) -> u64 {
    let mut step: u64 = 1;
    loop {
        for factor in [1, 2, 5] {
            let line = step.saturating_mul(factor);
            if line >= value {
                return line;
            }
        }
        step = step.saturating_mul(10);
    }
}
